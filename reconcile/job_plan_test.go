package reconcile

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"reconciler/internal/job"
	"reconciler/store"
)

func TestPlanJob(t *testing.T) {
	one, two, fixed := webJob(), webJob(command("new")), webJob(staticPort)
	gen := func(n uint64) func(*job.Alloc) { return func(a *job.Alloc) { a.Spec.Generation = n } }
	lost := func(ago time.Duration) func(*job.Alloc) {
		return func(a *job.Alloc) { a.Spec.Reason, a.Status.EndedAt = ReasonPortLost, t0.Add(ago) }
	}
	for _, tt := range []struct {
		name  string
		in    JobInput
		want  []string
		phase string
	}{
		{"new job", jobInput(one), []string{"place web[0] (New)"}, PhaseProgressing},
		{"three at once", jobInput(webJob(count(3))), []string{"place web[0] (New)", "place web[1] (New)", "place web[2] (New)"}, PhaseProgressing},
		{"count 0", jobInput(webJob(count(0))), nil, PhaseRunning},
		{"as wanted", jobInput(one, allocs(one, alloc(allocA, one, 0, isHealthy, gen(2)))), nil, PhaseRunning},
		{"not healthy yet", jobInput(one, allocs(one, alloc(allocA, one, 0, runs, gen(2)))), nil, PhaseProgressing},
		{
			"scaled up: the lowest free index",
			jobInput(webJob(count(2)), allocs(one, alloc(allocA, one, 1, isHealthy, gen(2)))),
			[]string{"place web[0] (New)"},
			PhaseProgressing,
		},
		{
			"scaled down: from the highest, the rest in place",
			jobInput(one, allocs(webJob(count(2)), alloc(allocA, one, 0, isHealthy), alloc(allocB, one, 1, isHealthy))),
			[]string{"stop web[1] " + allocB + " (ScaledDown)", "advance web[0] " + allocA + " (UpdatedInPlace count)"},
			PhaseProgressing,
		},
		{
			"changed: the successor is prepared first",
			jobInput(two, allocs(one, alloc(allocA, one, 0, isHealthy))),
			[]string{"prepare web[0] (SpecChanged tasks.web.config.command)"},
			PhaseProgressing,
		},
		{
			"changed: nothing stops while the successor is not prepared",
			jobInput(two, allocs(one, alloc(allocA, one, 0, isHealthy)), allocs(two, alloc(allocB, two, 0, isPreparing, gen(2)))),
			nil, PhaseProgressing,
		},
		{
			"changed: the successor is prepared, and may run beside",
			jobInput(two, allocs(one, alloc(allocA, one, 0, isHealthy)), allocs(two, alloc(allocB, two, 0, isPrepared, gen(2)))),
			[]string{"promote web[0] " + allocB + " (BesidePredecessor)"},
			PhaseProgressing,
		},
		{
			"changed: both run, and the successor is not healthy yet",
			jobInput(two, allocs(one, alloc(allocA, one, 0, isHealthy)), allocs(two, alloc(allocB, two, 0, runs, gen(2)))),
			nil, PhaseProgressing,
		},
		{
			"changed: both run, and the successor is healthy",
			jobInput(two, allocs(one, alloc(allocA, one, 0, isHealthy)), allocs(two, alloc(allocB, two, 0, isHealthy, gen(2)))),
			[]string{"stop web[0] " + allocA + " (SuccessorHealthy tasks.web.config.command)"},
			PhaseProgressing,
		},
		{
			"changed: the predecessor died meanwhile, nothing is lost by its end",
			jobInput(two, allocs(one, alloc(allocA, one, 0)), allocs(two, alloc(allocB, two, 0, runs, gen(2)))),
			[]string{"stop web[0] " + allocA + " (Replaced tasks.web.config.command)"},
			PhaseProgressing,
		},
		{
			"changed: the successor is prepared, and needs the same port",
			jobInput(fixed, allocs(one, alloc(allocA, one, 0, isHealthy)), allocs(fixed, alloc(allocB, fixed, 0, isPrepared, gen(2)))),
			[]string{"stop web[0] " + allocA + " (Replaced tasks.web.ports.http.label, tasks.web.ports.http.position, tasks.web.ports.http.static)"},
			PhaseProgressing,
		},
		{
			"changed: a stranger has the port",
			jobInput(fixed, allocs(one, alloc(allocA, one, 0, isHealthy)), allocs(fixed, alloc(allocB, fixed, 0, isPrepared, gen(2))),
				func(in *JobInput) { in.PortBusy[allocB] = "port 80 is taken" }),
			nil, PhaseProgressing,
		},
		{
			"changed: the predecessor is stopping",
			jobInput(two, allocs(one, alloc(allocA, one, 0, isStopping)), allocs(two, alloc(allocB, two, 0, isPrepared, gen(2)))),
			nil, PhaseProgressing,
		},
		{
			"changed: the predecessor has ended",
			jobInput(two, allocs(one, alloc(allocA, one, 0, isEnded)), allocs(two, alloc(allocB, two, 0, isPrepared, gen(2)))),
			[]string{"promote web[0] " + allocB + " (PredecessorEnded)"},
			PhaseProgressing,
		},
		{
			"changed: one at a time",
			jobInput(webJob(count(2), command("new")), allocs(one, alloc(allocA, one, 0, isHealthy), alloc(allocB, one, 1, isHealthy))),
			[]string{"prepare web[0] (SpecChanged tasks.web.config.command)"},
			PhaseProgressing,
		},
		{
			"changed: the next one only when the first is healthy",
			jobInput(webJob(count(2), command("new")), allocs(two, alloc(allocA, two, 0, runs, gen(2))), allocs(one, alloc(allocB, one, 1, isHealthy))),
			nil, PhaseProgressing,
		},
		{
			"changed: one that does not run takes no turn",
			jobInput(webJob(count(2), command("new")), allocs(two, alloc(allocA, two, 0, runs, gen(2))), allocs(one, alloc(allocB, one, 1))),
			[]string{"prepare web[1] (SpecChanged tasks.web.config.command)"},
			PhaseProgressing,
		},
		{
			"a newer edit supersedes what is only prepared",
			jobInput(webJob(command("third")), allocs(one, alloc(allocA, one, 0, isHealthy)), allocs(two, alloc(allocB, two, 0, isPrepared))),
			[]string{"stop web[0] " + allocB + " (Superseded)"},
			PhaseProgressing,
		},
		{
			"edited back: the old one stays, in place",
			jobInput(one, allocs(one, alloc(allocA, one, 0, isHealthy)), allocs(two, alloc(allocB, two, 0, isPrepared))),
			[]string{"stop web[0] " + allocB + " (Superseded)", "advance web[0] " + allocA + " (UpdatedInPlace)"},
			PhaseProgressing,
		},
		{
			"wanted again while stopping: first let it die",
			jobInput(one, allocs(one, alloc(allocA, one, 0, isStopping))),
			nil, PhaseProgressing,
		},
		{
			"two for one index: the healthy one stays",
			jobInput(one, allocs(one, alloc(allocA, one, 0, runs, gen(2)), alloc(allocB, one, 0, isHealthy, gen(2)))),
			[]string{"stop web[0] " + allocA + " (Duplicate)"},
			PhaseProgressing,
		},
		{
			"group renamed",
			jobInput(webJob(func(j *job.Job) { j.Groups[0].Name = "api" }), allocs(one, alloc(allocA, one, 0, isHealthy))),
			[]string{"place api[0] (New)", "stop web[0] " + allocA + " (GroupRemoved)"},
			PhaseProgressing,
		},
		{
			"deleted",
			jobInput(one, allocs(one, alloc(allocA, one, 0, isHealthy)), func(in *JobInput) { in.Record.Deleted = t0 }),
			[]string{"stop web[0] " + allocA + " (JobDeleted)"},
			PhaseStopping,
		},
		{
			"deleted and gone",
			jobInput(one, allocs(one, alloc(allocA, one, 0, isEnded)), func(in *JobInput) { in.Record.Deleted = t0 }),
			nil, PhaseStopped,
		},
		{
			"no record is no deletion",
			jobInput(one, allocs(one, alloc(allocA, one, 0, isHealthy)), func(in *JobInput) { in.Known, in.Record = false, store.JobRecord{} }),
			nil, PhaseHeld,
		},
		{
			"orphan",
			jobInput(one, allocs(one, alloc(allocA, one, 0, isHealthy)), func(in *JobInput) { in.Record = store.JobRecord{Held: store.HeldOrphan} }),
			nil, PhaseHeld,
		},
		{
			"deletion held: the last good spec is kept up",
			jobInput(one, func(in *JobInput) { in.Record.Held = store.HeldMassDeletion }),
			[]string{"place web[0] (New)"},
			PhaseHeld,
		},
		{
			"the stored spec is older than what runs",
			jobInput(two, allocs(one, alloc(allocA, one, 0, isHealthy, gen(7))), func(in *JobInput) { in.Highest = 7 }),
			nil, PhaseHeld,
		},
		{
			"waits for a job that leaves",
			jobInput(one, func(in *JobInput) { in.WaitFor = []string{"job old, which shares port 80"} }),
			nil, PhaseProgressing,
		},
		{
			"could not be placed a moment ago",
			jobInput(one, func(in *JobInput) {
				in.Refused = map[string]Refusal{"web[0]": {Reason: "PortBusy", Message: "port 80", Until: t0.Add(time.Second)}}
			}),
			nil, PhaseDegraded,
		},
		{
			"could not be prepared a moment ago",
			jobInput(two, allocs(one, alloc(allocA, one, 0, isHealthy)), func(in *JobInput) {
				in.Refused = map[string]Refusal{"web[0]": {Reason: "PortsExhausted", Message: "no port", Until: t0.Add(time.Second)}}
			}),
			nil, PhaseDegraded,
		},
		{
			"could not be placed, and is tried again: no flicker of the phase",
			jobInput(one, func(in *JobInput) {
				in.Refused = map[string]Refusal{"web[0]": {Reason: "PortBusy", Message: "port 80", Until: t0}}
			}),
			[]string{"place web[0] (New)"},
			PhaseDegraded,
		},
		{
			"changed: another job has the volume until it is gone",
			jobInput(two, allocs(one, alloc(allocA, one, 0, isHealthy)), allocs(two, alloc(allocB, two, 0, isPrepared, gen(2))),
				func(in *JobInput) { in.WaitFor = []string{"job old, which shares volume /data"} }),
			nil, PhaseProgressing,
		},
		{
			"its ports were taken twice in a row: waits",
			jobInput(one, allocs(one, alloc(allocA, one, 0, isEnded, lost(-time.Minute)), alloc(allocB, one, 0, isEnded, lost(-time.Second)))),
			nil, PhaseProgressing,
		},
		{
			"its ports were taken twice, some time ago",
			jobInput(one, allocs(one, alloc(allocA, one, 0, isEnded, lost(-time.Minute)), alloc(allocB, one, 0, isEnded, lost(-20*time.Second)))),
			[]string{"place web[0] (New)"},
			PhaseProgressing,
		},
		{
			"deleted, although older than what runs",
			jobInput(one, allocs(one, alloc(allocA, one, 0, isHealthy)), func(in *JobInput) { in.Record.Deleted, in.Highest = t0, 7 }),
			[]string{"stop web[0] " + allocA + " (JobDeleted)"},
			PhaseStopping,
		},
		{
			"lost its dynamic port",
			jobInput(one, allocs(one, alloc(allocA, one, 0, gen(2), func(a *job.Alloc) {
				a.Spec.Ports = []job.AllocPort{{Label: "http", Host: 20000}}
				a.Status.Tasks = map[string]job.TaskStatus{"web": {LastError: &job.Failure{Reason: "PortTaken"}}}
			}))),
			[]string{"stop web[0] " + allocA + " (PortLost)"},
			PhaseDegraded,
		},
		{
			"a static port is waited for",
			jobInput(one, allocs(one, alloc(allocA, one, 0, gen(2), func(a *job.Alloc) {
				a.Spec.Ports = []job.AllocPort{{Label: "http", Host: 80, Static: true}}
				a.Status.Tasks = map[string]job.TaskStatus{"web": {LastError: &job.Failure{Reason: "PortTaken"}}}
			}))),
			nil, PhaseDegraded,
		},
		{
			"held by an operator: nothing, not even a deletion",
			jobInput(webJob(count(3)), allocs(one, alloc(allocA, one, 0, isHealthy)), func(in *JobInput) {
				in.Deployment.HoldSince, in.Record.Deleted = t0, t0
			}),
			nil, PhaseHeld,
		},
		{
			"restart: what was made before is replaced, under update",
			jobInput(webJob(count(2)), allocs(one, alloc(allocA, one, 0, isHealthy, gen(2)), alloc(allocB, one, 1, isHealthy, gen(2))),
				func(in *JobInput) { in.Deployment.RestartAt = t0.Add(-time.Minute) }),
			[]string{"prepare web[0] (RestartRequested)"},
			PhaseProgressing,
		},
		{
			"restart: what was made since stays",
			jobInput(one, allocs(one, alloc(allocA, one, 0, isHealthy, gen(2))),
				func(in *JobInput) { in.Deployment.RestartAt = t0.Add(-2 * time.Hour) }),
			nil, PhaseRunning,
		},
		{
			"restart: the clock was set back since, what was made for it stays",
			jobInput(one, allocs(one, alloc(allocA, one, 0, isHealthy, gen(2), func(a *job.Alloc) { a.Spec.RestartAt = t0.Add(time.Hour) })),
				func(in *JobInput) { in.Deployment.RestartAt = t0.Add(time.Hour) }),
			nil, PhaseRunning,
		},
		{
			"changed: successors lose their port beside it, the next one waits",
			jobInput(two, allocs(one, alloc(allocA, one, 0, isHealthy)), allocs(two,
				alloc(allocB, two, 0, isEnded, lost(-time.Second)), alloc(allocB+"1", two, 0, isEnded, lost(0)))),
			nil, PhaseProgressing,
		},
		{"system job", jobInput(webJob(count(5), func(j *job.Job) { j.Type = job.TypeSystem })), []string{"place web[0] (New)"}, PhaseProgressing},
	} {
		t.Run(tt.name, func(t *testing.T) {
			plan := PlanJob(tt.in)
			var got []string
			for _, a := range plan.Actions {
				got = append(got, a.String())
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("actions (-want +got):\n%s", diff)
			}
			if plan.Deployment.Phase != tt.phase {
				t.Errorf("phase %q, want %q", plan.Deployment.Phase, tt.phase)
			}
			if diff := cmp.Diff(plan, PlanJob(tt.in)); diff != "" {
				t.Errorf("a second plan of the same input differs:\n%s", diff)
			}
		})
	}
}

func TestPlanJobPinsTheFirstImage(t *testing.T) {
	one := webJob(count(2))
	first := alloc(allocA, one, 0, isHealthy)
	moved := alloc(allocB, one, 1, isHealthy)
	moved.Status.Tasks["web"] = job.TaskStatus{ImageID: "sha256:2222"}
	d := PlanJob(jobInput(one, allocs(one, first))).Deployment
	if got := d.Groups["web"].Images["web"]; got != image1 {
		t.Fatalf("pinned %q, want %q", got, image1)
	}
	d = PlanJob(jobInput(one, allocs(one, first, moved), func(in *JobInput) { in.Deployment = d })).Deployment
	if got := d.Groups["web"].Images["web"]; got != image1 {
		t.Errorf("pinned %q after another id was seen, want %q", got, image1)
	}
	d = PlanJob(jobInput(webJob(command("new")), func(in *JobInput) { in.Deployment = d })).Deployment
	if got := d.Groups["web"].Images["web"]; got != "" {
		t.Errorf("pinned %q for a new spec, want none", got)
	}
}
