package control

import (
	"maps"
	"slices"
	"time"

	"reconciler/internal/job"
	"reconciler/store"
)

// Sources of a Status.
const (
	SourceDaemon = "daemon" // a running agent
	SourceFile   = "file"   // the state file; AsOf says how old it is
)

// Status is the state of the agent and of all jobs.
type Status struct {
	Source    string          `json:"source"`
	AsOf      time.Time       `json:"as_of"`
	Version   string          `json:"version,omitempty"`
	NodeID    string          `json:"node_id"`
	Node      string          `json:"node,omitempty"`
	DataDir   string          `json:"data_dir,omitempty"`
	Docker    DockerStatus    `json:"docker"`
	Manifests ManifestsStatus `json:"manifests"`
	Store     StoreStatus     `json:"store"`
	Jobs      []JobStatus     `json:"jobs"`
	Problems  []store.Problem `json:"problems"`
	Images    []ImageStatus   `json:"images,omitempty"`
	Pulls     []Pull          `json:"pulls,omitempty"`
}

// DockerStatus is the agent's sight of the engine. Without a daemon nobody
// knows it.
type DockerStatus struct {
	Connected  bool      `json:"connected"`
	Since      time.Time `json:"since,omitzero"` // of Connected
	LastList   time.Time `json:"last_list,omitzero"`
	Version    string    `json:"version,omitempty"`
	APIVersion string    `json:"api_version,omitempty"`
	Problem    string    `json:"problem,omitempty"`
}

// ManifestsStatus is the agent's sight of the manifest directory.
type ManifestsStatus struct {
	Dir      string    `json:"dir,omitempty"`
	OK       bool      `json:"ok"`
	Problem  string    `json:"problem,omitempty"`
	LastScan time.Time `json:"last_scan,omitzero"`
}

// StoreStatus says whether the state file follows.
type StoreStatus struct {
	LastCommit time.Time `json:"last_commit,omitzero"`
	Problem    string    `json:"problem,omitempty"`
}

// JobStatus is the state of one job.
type JobStatus struct {
	Name       string          `json:"name"`
	File       string          `json:"file,omitempty"`
	Generation uint64          `json:"generation"`
	Phase      string          `json:"phase"`
	Held       string          `json:"held,omitempty"`
	Missing    time.Time       `json:"missing_since,omitzero"`
	Wanted     int             `json:"wanted"`
	Running    int             `json:"running"`
	Healthy    int             `json:"healthy"`
	Conditions []job.Condition `json:"conditions,omitempty"`
	Allocs     []AllocStatus   `json:"allocs,omitempty"`
}

// AllocStatus is the state of one allocation.
type AllocStatus struct {
	job.Alloc
	UpToDate   bool                             `json:"up_to_date"` // made from the job's newest spec
	Containers map[string]store.ContainerRecord `json:"containers,omitempty"`
}

// ImageStatus says of one image why it is kept, or when it goes.
type ImageStatus struct {
	ID         string           `json:"id"`
	Provenance *ImageProvenance `json:"provenance,omitempty"` // nil: not ours
	Clock      store.ImageClock `json:"clock"`
}

// ImageProvenance is store.ImageProvenance.
type ImageProvenance = store.ImageProvenance

// Pull is an image on its way.
type Pull struct {
	Ref        string    `json:"ref"`
	BytesDone  int64     `json:"bytes_done"`
	BytesTotal int64     `json:"bytes_total"`
	Layers     int       `json:"layers"`
	LayersDone int       `json:"layers_done"`
	Since      time.Time `json:"since"`
	Waiters    int       `json:"waiters"`
}

// Live is what only a running agent knows.
type Live struct {
	Version   string
	Node      string
	Docker    DockerStatus
	Manifests ManifestsStatus
	Pulls     []Pull
}

// Build draws the status of a running agent.
func Build(st *store.Store, live Live, now time.Time) Status {
	s := fromTables(st)
	s.Source, s.AsOf = SourceDaemon, now.UTC()
	s.Version, s.Node = live.Version, live.Node
	s.Docker, s.Manifests, s.Pulls = live.Docker, live.Manifests, live.Pulls
	commit, err := st.LastCommit()
	s.Store.LastCommit = commit
	if err != nil {
		s.Store.Problem = err.Error()
	}
	if !live.Docker.Connected {
		s.forgetDocker("EngineUnavailable", live.Docker.Problem)
	}
	return s
}

// BuildFromFile draws the status that the state file holds. at is when the
// file was written.
func BuildFromFile(st *store.Store, at time.Time) Status {
	s := fromTables(st)
	s.Source, s.AsOf = SourceFile, at.UTC()
	s.Docker.Problem = "no agent runs"
	s.Manifests.Problem = "no agent runs"
	s.Store.LastCommit = at.UTC()
	s.forgetDocker("NoAgent", "no agent runs; the state is as old as the file")
	return s
}

// forgetDocker makes every claim about containers unknown: nobody looks.
func (s *Status) forgetDocker(reason, msg string) {
	for i := range s.Jobs {
		j := &s.Jobs[i]
		j.Running, j.Healthy = 0, 0
		for k := range j.Allocs {
			conds := slices.Clone(j.Allocs[k].Status.Conditions)
			for n, c := range conds {
				if c.Type == job.CondRunning || c.Type == job.CondHealthy {
					conds[n].Status, conds[n].Reason, conds[n].Message = job.Unknown, reason, msg
				}
			}
			j.Allocs[k].Status.Conditions = conds
		}
	}
}

func fromTables(st *store.Store) Status {
	s := Status{NodeID: st.NodeID(), DataDir: st.Dir(), Jobs: []JobStatus{}, Problems: []store.Problem{}}
	manifests := st.Manifests.All()
	for _, file := range slices.Sorted(maps.Keys(manifests)) {
		s.Problems = append(s.Problems, manifests[file].Problems...)
	}
	s.Jobs = append(s.Jobs, jobs(st)...)
	s.Images = images(st)
	return s
}

func jobs(st *store.Store) []JobStatus {
	byJob := map[string][]AllocStatus{}
	specs, containers := st.AllocSpecs.All(), containersByAlloc(st)
	for id, spec := range specs {
		status, _ := st.AllocStatuses.Get(id)
		if !status.EndedAt.IsZero() {
			continue
		}
		byJob[spec.Job] = append(byJob[spec.Job], AllocStatus{
			Alloc: job.Alloc{Spec: spec, Status: status}, Containers: containers[id],
		})
	}
	records := st.Jobs.All()
	names := map[string]bool{}
	for name, rec := range records {
		if rec.Deleted.IsZero() || len(byJob[name]) > 0 {
			names[name] = true
		}
	}
	for name := range byJob {
		names[name] = true
	}
	waiting := unseen(st, names)
	for name := range waiting {
		names[name] = true
	}
	out := make([]JobStatus, 0, len(names))
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if j, waits := waiting[name]; waits {
			out = append(out, j)
			continue
		}
		dep, _ := st.Deployments.Get(name)
		out = append(out, jobStatus(name, records[name], dep, byJob[name]))
	}
	return out
}

// unseen are the jobs that files name and that have no record yet: what runs
// must be known first.
func unseen(st *store.Store, known map[string]bool) map[string]JobStatus {
	out := map[string]JobStatus{}
	for file, m := range st.Manifests.All() {
		for _, name := range m.Jobs {
			if rec, has := st.Jobs.Get(name); known[name] || has && rec.Deleted.IsZero() {
				continue
			}
			out[name] = JobStatus{Name: name, File: file, Phase: phasePending, Conditions: []job.Condition{{
				Type: job.CondProgressing, Status: job.True, Reason: "WaitsForEngine", LastTransition: m.Since,
				Message: "what runs must be known before a new job is taken up",
			}}}
		}
	}
	return out
}

// phasePending is the phase of a job that no controller has looked at, and
// phaseStopping that of one that is deleted.
const (
	phasePending  = "pending"
	phaseStopping = "stopping"
)

func jobStatus(name string, rec store.JobRecord, dep store.DeploymentRecord, allocs []AllocStatus) JobStatus {
	j := JobStatus{
		Name: name, File: rec.File, Generation: rec.Generation, Phase: dep.Phase,
		Held: rec.Held, Missing: rec.MissingSince, Conditions: dep.Conditions, Allocs: allocs,
	}
	if j.Phase == "" {
		j.Phase = phasePending
	}
	hashes := map[string]string{}
	if rec.Spec != nil && rec.Deleted.IsZero() {
		for i := range rec.Spec.Groups {
			g := &rec.Spec.Groups[i]
			hashes[g.Name] = job.SpecHash(rec.Spec, g)
			j.Wanted += g.WantedCount(rec.Spec.Type)
		}
	}
	slices.SortFunc(j.Allocs, compareAllocs)
	for i := range j.Allocs {
		a := &j.Allocs[i]
		a.UpToDate = hashes[a.Spec.Group] == a.Spec.SpecHash
		j.Running += oneIf(a.Alloc, job.CondRunning)
		j.Healthy += oneIf(a.Alloc, job.CondHealthy)
	}
	return j
}

func oneIf(a job.Alloc, cond string) int {
	if c, ok := job.FindCondition(a.Status.Conditions, cond); ok && c.Status == job.True {
		return 1
	}
	return 0
}

func containersByAlloc(st *store.Store) map[string]map[string]store.ContainerRecord {
	out := map[string]map[string]store.ContainerRecord{}
	for name, c := range st.Containers.All() {
		if out[c.AllocID] == nil {
			out[c.AllocID] = map[string]store.ContainerRecord{}
		}
		out[c.AllocID][name] = c
	}
	return out
}

func images(st *store.Store) []ImageStatus {
	prov, clocks := st.Provenance.All(), st.Clocks.All()
	ids := map[string]bool{}
	for id := range prov {
		ids[id] = true
	}
	for id := range clocks {
		ids[id] = true
	}
	var out []ImageStatus
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		s := ImageStatus{ID: id, Clock: clocks[id]}
		if p, ok := prov[id]; ok {
			s.Provenance = &p
		}
		out = append(out, s)
	}
	return out
}
