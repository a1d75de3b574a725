package job

import "time"

// Desired is what the jobs controller wants of an allocation.
type Desired string

const (
	// DesiredPrepare asks for image and directory, and for no container: the
	// predecessor still runs and may hold the static ports.
	DesiredPrepare Desired = "prepare"
	// DesiredRun asks for running containers.
	DesiredRun Desired = "run"
	// DesiredStop asks for no containers.
	DesiredStop Desired = "stop"
)

// AllocSpec is the half of an allocation that the jobs controller writes:
// what should be. An allocation never changes its SpecHash; Generation moves
// on when an edit needs no new container.
type AllocSpec struct {
	ID         string            `json:"id"`
	Job        string            `json:"job"`
	Group      string            `json:"group"`
	Index      int               `json:"index"`
	Generation uint64            `json:"generation"`
	SpecHash   string            `json:"spec_hash"`
	Desired    Desired           `json:"desired"`
	Reason     string            `json:"reason,omitempty"` // why Desired is what it is
	Ports      []AllocPort       `json:"ports,omitempty"`
	Images     map[string]string `json:"images,omitempty"` // task -> canonical reference
	CreatedAt  time.Time         `json:"created_at"`
	Adopted    bool              `json:"adopted,omitempty"` // rebuilt from container labels
	// RestartAt is the restart request that the allocation was made under, as the
	// deployment has it; zero if there was none.
	RestartAt time.Time `json:"restart_at,omitzero"`
	// RunAt is when the allocation was asked to run: its placement, or its
	// promotion after it was prepared.
	RunAt time.Time `json:"run_at,omitzero"`
}

// AllocPort is a port that was reserved for an allocation.
type AllocPort struct {
	Label  string `json:"label"`
	Task   string `json:"task,omitempty"` // empty for a port of the group
	HostIP string `json:"ip"`
	Host   int    `json:"host"`             // port on the host
	To     int    `json:"to"`               // port in the container
	Static bool   `json:"static,omitempty"` // asked for by number
}

// Phase is where a task of an allocation stands.
type Phase string

// The phases of a task, in the order in which a good life passes them.
const (
	PhasePending  Phase = "pending"  // nothing done yet
	PhasePulling  Phase = "pulling"  // its image is on the way
	PhasePrepared Phase = "prepared" // image and directory are there, no container wanted yet
	PhaseStarting Phase = "starting" // its container is being made
	PhaseRunning  Phase = "running"
	PhasePaused   Phase = "paused"
	PhaseBackoff  Phase = "backoff"  // died or failed; tried again at NextRetry
	PhaseWaiting  Phase = "waiting"  // waits for a person: LastError says for what
	PhaseStopping Phase = "stopping" // signalled; SIGKILL at StoppingSince + kill_timeout
	PhaseDead     Phase = "dead"     // its containers are gone and none is wanted
	PhaseDraining Phase = "draining" // its services are withdrawn; the stop signal follows
	PhaseComplete Phase = "complete" // of a batch job: it exited with 0
	PhaseFailed   Phase = "failed"   // its restarts are used up: waits for an edit or a retry
	PhaseEnded    Phase = "ended"    // stopped, since the leader of its allocation has ended
)

// AllocStatus is the half of an allocation that the allocs controller
// writes: what is.
type AllocStatus struct {
	Tasks      map[string]TaskStatus `json:"tasks,omitempty"`
	Conditions []Condition           `json:"conditions,omitempty"`
	// StartedAt is when the last of the tasks was first seen to run; zero before.
	StartedAt time.Time `json:"started_at,omitzero"`
	// HealthyAt is when the allocation was first seen to be healthy; zero before.
	HealthyAt time.Time `json:"healthy_at,omitzero"`
	// Checks are the states of the checks, by CheckTarget.Key.
	Checks map[string]CheckState `json:"checks,omitempty"`
	// EndedAt is when the allocation was seen to be wanted no more and to have
	// no running container; zero while it lives.
	EndedAt time.Time `json:"ended_at,omitzero"`
}

// TaskStatus is the state of one task of an allocation. Times are UTC.
type TaskStatus struct {
	Phase Phase `json:"phase"`
	// Attempt numbers the containers of the task, from 1; 0 before the first.
	// The current container is the one whose label carries the highest.
	Attempt      int       `json:"attempt"`
	Prepared     bool      `json:"prepared,omitempty"`
	Image        string    `json:"image,omitempty"`    // canonical reference
	ImageID      string    `json:"image_id,omitempty"` // what it resolved to for this alloc
	RunningSince time.Time `json:"running_since,omitzero"`
	// Health is what Docker's HEALTHCHECK said when it was looked at last, and
	// HealthSince when it was first seen to say so; zero if it has said nothing
	// else since the container's start.
	Health        string    `json:"health,omitempty"`
	HealthSince   time.Time `json:"health_since,omitzero"`
	Restarts      int       `json:"restarts,omitempty"`      // containers started after a crash
	Crashes       int       `json:"crashes,omitempty"`       // in a row; forgotten after CrashForget of running
	Failures      int       `json:"failures,omitempty"`      // failed steps in a row
	NextRetry     time.Time `json:"next_retry,omitzero"`     // nothing is tried before
	StoppingSince time.Time `json:"stopping_since,omitzero"` // the stop signal was sent
	// StopReason is why a container is being stopped although its task is
	// wanted, because another takes its place, and StopSince when that was
	// decided.
	StopReason    string    `json:"stop_reason,omitempty"`
	StopSince     time.Time `json:"stop_since,omitzero"`
	KilledAt      time.Time `json:"killed_at,omitzero"`      // SIGKILL was sent
	DrainingSince time.Time `json:"draining_since,omitzero"` // the services were withdrawn
	// WindowStart and WindowRestarts count, for a restart block, the restarts of
	// the interval that began at WindowStart.
	WindowStart    time.Time `json:"window_start,omitzero"`
	WindowRestarts int       `json:"window_restarts,omitempty"`
	// RetriedAt is the operator's request to try again that was acted on last.
	RetriedAt time.Time `json:"retried_at,omitzero"`
	// FailedGeneration is the generation in which the restarts were used up.
	FailedGeneration uint64   `json:"failed_generation,omitempty"`
	LastExit         *Exit    `json:"last_exit,omitempty"`
	LastError        *Failure `json:"last_error,omitempty"`
}

// Exit is how a container ended.
type Exit struct {
	Code      int    `json:"code"`
	OOMKilled bool   `json:"oom_killed,omitempty"`
	Error     string `json:"error,omitempty"` // the engine's word
	// Stopped is why we stopped it; empty if it ended by itself.
	Stopped string    `json:"stopped,omitempty"`
	At      time.Time `json:"at"`
	Attempt int       `json:"attempt"`
}

// Clean reports whether the program ended with 0 and the engine has nothing to
// say against it. Who ended it is another question: see Stopped.
func (e Exit) Clean() bool { return e.Code == 0 && e.Error == "" }

// Failure is the last error of a task, as people see it.
type Failure struct {
	Kind    Kind      `json:"kind"`
	Reason  string    `json:"reason"`
	Message string    `json:"message"`
	At      time.Time `json:"at"`
}

// Alloc is both halves of an allocation.
type Alloc struct {
	Spec   AllocSpec   `json:"spec"`
	Status AllocStatus `json:"status"`
}

// Ended reports whether the allocation is wanted no more and has no container
// that runs.
func (a Alloc) Ended() bool { return !a.Status.EndedAt.IsZero() }

// MadeSince reports whether the allocation was made after a request of that
// time, or because of it: a clock that was set back since must not make it
// older than what it was made for.
func (a AllocSpec) MadeSince(request time.Time) bool {
	return !a.CreatedAt.Before(request) || !a.RestartAt.IsZero() && !a.RestartAt.Before(request)
}
