package reconcile

import (
	"time"

	"reconciler/internal/job"
	"reconciler/observed"
	"reconciler/store"
)

// t0 is the now of the table tests.
var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const (
	allocA = "aaaaaaaa-0000-4000-8000-000000000001"
	allocB = "bbbbbbbb-0000-4000-8000-000000000002"
	image1 = "sha256:1111"
	refWeb = "docker.io/library/web:1"
)

// webJob is a job of one group and one task, with the changes of edit.
func webJob(edit ...func(*job.Job)) *job.Job {
	j := &job.Job{
		Name: "web", Type: job.TypeService,
		Groups: []job.Group{{
			Name: "web", Count: 1,
			Update: job.Update{MaxParallel: 1, MinHealthyTime: job.Duration(10 * time.Second)},
			Tasks: []job.Task{{
				Name: "web", Driver: job.DriverDocker,
				Config:      job.Config{Image: "web:1", NetworkMode: job.DefaultNetworkMode},
				Resources:   job.Resources{CPU: job.DefaultCPU, MemoryMB: job.DefaultMemoryMB},
				KillTimeout: job.Duration(job.DefaultKillTimeout),
			}},
		}},
	}
	for _, f := range edit {
		f(j)
	}
	return j
}

func count(n int) func(*job.Job) { return func(j *job.Job) { j.Groups[0].Count = n } }

func command(c string) func(*job.Job) {
	return func(j *job.Job) { j.Groups[0].Tasks[0].Config.Command = c }
}

// allocInput is a wanted allocation of webJob that has its image.
func allocInput(edit ...func(*AllocInput)) AllocInput {
	j := webJob()
	in := AllocInput{
		Spec: job.AllocSpec{
			ID: allocA, Job: "web", Group: "web", Generation: 1,
			SpecHash: job.SpecHash(j, &j.Groups[0]), Desired: job.DesiredRun,
			Images: map[string]string{"web": refWeb}, CreatedAt: t0.Add(-time.Hour),
		},
		Status:    job.AllocStatus{Tasks: map[string]job.TaskStatus{}},
		Job:       j,
		Group:     &j.Groups[0],
		SeenSince: t0.Add(-time.Hour),
		Now:       t0,
	}
	for _, f := range edit {
		f(&in)
	}
	return in
}

func task(edit func(*job.TaskStatus)) func(*AllocInput) {
	return func(in *AllocInput) {
		ts := in.Status.Tasks["web"]
		edit(&ts)
		in.Status.Tasks["web"] = ts
	}
}

// staticPort makes a job whose allocations cannot run beside each other.
func staticPort(j *job.Job) {
	j.Groups[0].Tasks[0].Resources.Ports = []job.Port{{Label: "http", Static: 80}}
}

// hasImage is a task that is prepared.
func hasImage(ts *job.TaskStatus) {
	ts.Prepared, ts.Image, ts.ImageID = true, refWeb, image1
}

// with adds a container of an attempt in a state.
func with(state observed.State, attempt int, edit ...func(*observed.Container)) func(*AllocInput) {
	return func(in *AllocInput) {
		c := observed.Container{
			ID: "c" + string(rune('0'+attempt)), Name: job.ContainerName("web", in.Spec.ID),
			Image: refWeb, ImageID: image1, State: state, Ours: true,
			Identity: job.Identity{
				NodeID: "n", Job: "web", Group: "web", Task: "web", AllocID: in.Spec.ID,
				Attempt: attempt, Generation: 1, SpecHash: in.Spec.SpecHash,
			},
			StartedAt: t0.Add(-time.Minute), RestartPolicy: "no",
			CPUShares: job.DefaultCPU, MemoryBytes: job.DefaultMemoryMB << 20, MemorySwap: job.DefaultMemoryMB << 20,
		}
		if state == observed.Exited {
			c.FinishedAt, c.ExitCode = t0.Add(-time.Millisecond), 1
		}
		for _, f := range edit {
			f(&c)
		}
		in.Containers = append(in.Containers, c)
	}
}

func renamedDead(attempt int) func(*observed.Container) {
	return func(c *observed.Container) {
		c.Name = job.DeadContainerName("web", c.Identity.AllocID, attempt)
	}
}

func wanted(d job.Desired) func(*AllocInput) {
	return func(in *AllocInput) { in.Spec.Desired = d }
}

// alloc is an allocation as PlanJob sees it.
func alloc(id string, j *job.Job, index int, edit ...func(*job.Alloc)) job.Alloc {
	a := job.Alloc{Spec: job.AllocSpec{
		ID: id, Job: j.Name, Group: "web", Index: index, Generation: 1,
		SpecHash: job.SpecHash(j, &j.Groups[0]), Desired: job.DesiredRun, CreatedAt: t0.Add(-time.Hour), RunAt: t0.Add(-time.Second),
	}}
	for _, f := range edit {
		f(&a)
	}
	return a
}

func runs(a *job.Alloc) {
	a.Status.Tasks = map[string]job.TaskStatus{"web": {Phase: job.PhaseRunning, Prepared: true, ImageID: image1}}
	a.Status.Conditions = []job.Condition{{Type: job.CondRunning, Status: job.True}}
}

func isHealthy(a *job.Alloc) {
	runs(a)
	a.Status.Conditions = append(a.Status.Conditions, job.Condition{Type: job.CondHealthy, Status: job.True})
}

func isPrepared(a *job.Alloc) {
	a.Spec.Desired = job.DesiredPrepare
	a.Status.Tasks = map[string]job.TaskStatus{"web": {Phase: job.PhasePrepared, Prepared: true, ImageID: image1}}
}

func isPreparing(a *job.Alloc) { a.Spec.Desired = job.DesiredPrepare }
func isStopping(a *job.Alloc)  { a.Spec.Desired = job.DesiredStop }
func isEnded(a *job.Alloc) {
	a.Spec.Desired = job.DesiredStop
	a.Status.EndedAt = t0
}

// jobInput is a job whose record is of generation 2.
func jobInput(j *job.Job, edit ...func(*JobInput)) JobInput {
	in := JobInput{
		Name: "web", Known: true, Now: t0,
		Record:   store.JobRecord{Generation: 2, Hash: job.Hash(j), File: "web.hcl", Spec: j},
		Specs:    map[string]*job.Job{},
		PortBusy: map[string]string{},
	}
	for _, f := range edit {
		f(&in)
	}
	return in
}

func allocs(j *job.Job, all ...job.Alloc) func(*JobInput) {
	return func(in *JobInput) {
		for _, a := range all {
			in.Allocs = append(in.Allocs, a)
			in.Specs[a.Spec.ID] = j
		}
	}
}

// tasks gives the group of a job further tasks, like its first but for their
// names.
func tasks(names ...string) func(*job.Job) {
	return func(j *job.Job) {
		g := &j.Groups[0]
		for _, name := range names {
			t := g.Tasks[0]
			t.Name = name
			g.Tasks = append(g.Tasks, t)
		}
	}
}

// ofTask changes a task of a job.
func ofTask(name string, f func(*job.Task)) func(*job.Job) {
	return func(j *job.Job) { f(j.Groups[0].Task(name)) }
}

// ofGroup changes the group of a job.
func ofGroup(f func(*job.Group)) func(*job.Job) { return func(j *job.Job) { f(&j.Groups[0]) } }

// restarts gives the group of a job a restart block.
func restarts(attempts int, interval, delay time.Duration, mode job.RestartMode) func(*job.Job) {
	return ofGroup(func(g *job.Group) {
		g.Restart = &job.Restart{Attempts: attempts, Interval: job.Duration(interval), Delay: job.Duration(delay), Mode: mode}
	})
}

func batch(j *job.Job) { j.Type = job.TypeBatch }

func leader(name string) func(*job.Job) { return ofTask(name, func(t *job.Task) { t.Leader = true }) }

// service gives a task a service without a port, with checks.
func service(task string, checks ...job.Check) func(*job.Job) {
	return ofTask(task, func(t *job.Task) {
		t.Services = append(t.Services, job.Service{Name: task, Checks: checks})
	})
}

// group changes the group of an allocation as it stands in its newest spec.
func group(f func(*job.Group)) func(*AllocInput) { return func(in *AllocInput) { f(in.Group) } }
