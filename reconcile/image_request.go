package reconcile

import (
	"time"

	"reconciler/internal/job"
	"reconciler/internal/taskenv"
)

// imageRequest asks for the image of a task, with the credentials that its
// manifest has now.
func (c *Controller) imageRequest(in AllocInput, task *job.Task, ask bool) job.ImageRequest {
	req := job.ImageRequest{
		Job: in.Spec.Job, Task: task.Name, AllocID: in.Spec.ID,
		Ref: in.Spec.Images[task.Name], Load: task.Config.Load, Ask: ask, Force: task.Config.ForcePull,
		AuthSoftFail: task.Config.AuthSoftFail, Timeout: task.Config.ImagePullTimeout.Std(),
		Warn: func(reason, message string) { c.warn(in, task.Name, reason, message) },
	}
	if task.Config.Auth == nil {
		return req
	}
	a, ok := c.Auth.Auth(in.Spec.Job, in.Group.Name, task.Name)
	if !ok {
		req.AuthMissing = true
		return req
	}
	env := taskenv.New(taskenv.Input{Node: c.Node(), Job: in.Job, Group: in.Group, Task: task, Alloc: in.Spec})
	req.Auth = &job.Auth{
		Username: env.Replace(a.Username), Password: job.NewSecret(env.Replace(a.Password.Reveal())),
		Email: env.Replace(a.Email), ServerAddress: env.Replace(a.ServerAddress),
	}
	return req
}

// noAuth knows of no credentials.
type noAuth struct{}

// Auth returns nothing.
func (noAuth) Auth(_, _, _ string) (a job.Auth, ok bool) { return a, false }

// AuthChanged returns the zero time.
func (noAuth) AuthChanged(string) time.Time { return time.Time{} }
