package job

import "time"

// ImageRequest asks the engine's write half for the image of one task.
type ImageRequest struct {
	Job, Task, AllocID string

	// Ref is the canonical reference.
	Ref string
	// Load is the archive as the manifest names it: absolute, or relative to
	// the task's local directory. Empty means the image is pulled.
	Load string
	// Ask says that the registry must be asked even if the reference is there.
	Ask bool
	// Force says that a local copy is no substitute for the registry's answer
	// (config.force_pull).
	Force bool

	// Auth are the task's own credentials, with runtime names resolved; nil if
	// it has none.
	Auth *Auth
	// AuthMissing says that the task has credentials of its own and nobody
	// knows them: the spec was read back from the state file.
	AuthMissing bool
	// AuthSoftFail is config.auth_soft_fail.
	AuthSoftFail bool
	// Timeout bounds how long the task waits for a pull; 0 is no bound.
	Timeout time.Duration
	// Warn, if not nil, is told what a person should know of the pull, whether
	// it succeeds or not. It is called before the request returns.
	Warn func(reason, message string)
}

// ImageResult is what an ImageRequest came to.
type ImageResult struct {
	ID   string // image id on this engine
	Ours bool   // we brought it
}

// ContainerRequest is all that one container is made from.
type ContainerRequest struct {
	Node    Node
	Job     *Job
	Group   *Group
	Task    *Task
	Alloc   AllocSpec
	Attempt int

	ImageID   string
	ImageOurs bool
}

// Identity is what the container's labels will say.
func (r ContainerRequest) Identity() Identity {
	return Identity{
		NodeID: r.Node.ID, Node: r.Node.Name,
		Job: r.Job.Name, Group: r.Group.Name, Task: r.Task.Name,
		AllocID: r.Alloc.ID, AllocIndex: r.Alloc.Index,
		Generation: r.Alloc.Generation, Attempt: r.Attempt, SpecHash: r.Alloc.SpecHash,
		Ports: r.Alloc.Ports, ImageOurs: r.ImageOurs, Type: r.Job.Type,
	}
}
