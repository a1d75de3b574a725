package reconcile

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/sirupsen/logrus"

	"reconciler/internal/job"
	"reconciler/observed"
	"reconciler/store"
)

// syncAlloc takes one step for an allocation. life ends when the agent is
// told to stop; ctx a grace period later.
func (c *Controller) syncAlloc(ctx, life context.Context, id string) {
	if !c.Observe.Synced() || life.Err() != nil || !c.refreshStale(ctx, id) {
		return
	}
	c.refreshPartial(ctx, id)
	since := c.Observe.Status().Since
	in, ok := c.allocInput(id)
	if !ok {
		c.forget(id)
		return
	}
	if in.Spec.Desired == job.DesiredStop {
		c.flights.cancel(id)
	}
	if left := in.SeenSince.Add(unknownFirst).Sub(in.Now); in.Job == nil && left > 0 && left <= unknownFirst {
		c.allocs.addAt(id, in.Now.Add(left), in.Now)
		return
	}
	plan := PlanAlloc(in)
	if !plan.Status.EndedAt.IsZero() {
		c.Ports.Release(id) // before the record says so: others wait for them
	}
	c.noteLook(id, since)
	// Before the record says that it is healthy: the predecessor's stop follows
	// from that, and is committed together with the new address.
	c.publish(id, plan.Services)
	c.noteLook(id, since)
	c.Store.AllocStatuses.Put(id, plan.Status)
	c.Checks.Set(id, plan.Checks)
	switch plan.Step.Kind {
	case StepNone:
		c.effects.forget(id)
		c.allocs.addAt(id, plan.WakeAt, in.Now)
		return
	case StepBring:
		c.bring(life, in, plan)
	default:
		c.act(ctx, in, plan)
	}
	c.allocs.add(id)
}

// forget drops what is left of an allocation whose record is gone.
func (c *Controller) forget(id string) {
	c.flights.cancel(id)
	c.flights.landed(id)
	c.effects.forget(id)
	c.mu.Lock()
	delete(c.stale, id)
	delete(c.looks, id)
	c.mu.Unlock()
	c.publish(id, nil)
	c.Checks.Set(id, nil)
	c.Store.AllocStatuses.Delete(id)
}

// refreshPartial looks again at dead containers of which only a list told:
// how they ended decides what is next.
func (c *Controller) refreshPartial(ctx context.Context, id string) {
	for _, ct := range c.Observe.Alloc(id) {
		if ct.Partial && (ct.State == observed.Exited || ct.State == observed.Dead) {
			if err := c.Observe.Refresh(ctx, ct.ID); err != nil {
				c.Log.WithFields(logrus.Fields{"alloc": id, "container": ct.ID}).WithError(err).Debug("container not inspected")
			}
		}
	}
}

// refreshStale looks at a container whose look after a write failed; without
// it a plan might repeat the write.
func (c *Controller) refreshStale(ctx context.Context, id string) bool {
	c.mu.Lock()
	container, stale := c.stale[id]
	c.mu.Unlock()
	if !stale {
		return true
	}
	return c.refresh(ctx, id, container)
}

func (c *Controller) refresh(ctx context.Context, id, container string) bool {
	err := c.Observe.Refresh(ctx, container)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		delete(c.stale, id)
		return true
	}
	c.stale[id] = container
	now := c.Now()
	c.allocs.addAt(id, now.Add(indeterminateRetry), now)
	c.Log.WithFields(logrus.Fields{"alloc": id, "container": container}).WithError(err).Debug("container not seen after a write")
	return false
}

// bring starts what a task needs, beside the queue.
func (c *Controller) bring(life context.Context, in AllocInput, plan AllocPlan) {
	s := plan.Step
	ts := plan.Status.Tasks[s.Task]
	task := in.Group.Task(s.Task)
	f := func(ctx context.Context) (job.ImageResult, error) {
		start := c.Now()
		if err := c.Dirs.Build(in.Spec, in.Group); err != nil {
			return job.ImageResult{}, err
		}
		if err := c.fetch(ctx, in, task); err != nil {
			return job.ImageResult{}, err
		}
		if err := c.Runtime.Check(ctx, c.request(in, s.Task, s.Attempt, "")); err != nil {
			return job.ImageResult{}, err
		}
		if ts.ImageID != "" {
			// Another allocation found it, and it is there.
			return job.ImageResult{ID: ts.ImageID, Ours: c.oursByImage(ts.ImageID)}, nil
		}
		res, err := c.Runtime.Bring(ctx, c.imageRequest(in, task, s.Ask))
		if err == nil {
			c.entry(in, s.Task).WithFields(logrus.Fields{
				"image": in.Spec.Images[s.Task], "image_id": res.ID, "duration": c.since(start),
			}).Debug("image ready")
		}
		return res, err
	}
	c.flights.start(life, in.Spec.ID, s.Task, f, func() { c.allocs.add(in.Spec.ID) })
}

// act carries out one step on a container, records how it went, and makes the
// next look see it.
func (c *Controller) act(ctx context.Context, in AllocInput, plan AllocPlan) {
	s := plan.Step
	start := c.Now()
	container, err := s.Container, c.effects.repeated(in.Spec.ID, s)
	if err == nil {
		container, err = c.execute(ctx, in, plan)
		if err == nil {
			c.effects.done(in.Spec.ID, s)
		}
	}
	now := c.Now()
	status := plan.Status
	before := status.Tasks[s.Task].LastError
	status.Tasks = maps.Clone(status.Tasks)
	if err != nil {
		status.Tasks[s.Task] = stepFailed(status.Tasks[s.Task], err, in.Spec.ID+"/"+s.Task, now)
	} else {
		status.Tasks[s.Task] = stepDone(status.Tasks[s.Task], s, now)
	}
	// The container first: who sees the new status must not plan on the old look.
	if container != "" {
		c.refresh(ctx, in.Spec.ID, container)
	}
	c.Store.AllocStatuses.Put(in.Spec.ID, status)
	c.report(in, s, err, before, now.Sub(start))
}

func (c *Controller) execute(ctx context.Context, in AllocInput, plan AllocPlan) (container string, err error) {
	s := plan.Step
	switch s.Kind {
	case StepRun:
		if err := c.Dirs.Build(in.Spec, in.Group); err != nil {
			return "", err
		}
		id := plan.Status.Tasks[s.Task].ImageID
		return c.Runtime.Run(ctx, c.request(in, s.Task, s.Attempt, id))
	case StepStart:
		err = c.Runtime.Start(ctx, s.Container)
	case StepKill:
		err = c.Runtime.Kill(ctx, s.Container, s.Signal)
	case StepRemove:
		err = c.Runtime.Remove(ctx, s.Container)
	case StepRename:
		err = c.Runtime.Rename(ctx, s.Container, s.Name)
	case StepUnpause:
		err = c.Runtime.Unpause(ctx, s.Container)
	case StepUpdate:
		err = c.Runtime.Update(ctx, s.Container, in.Group.Task(s.Task).Limits(in.CoreMHz))
	default:
		panic("reconcile: step of unknown kind " + string(s.Kind))
	}
	return s.Container, err
}

// request is what a task's container is made from.
func (c *Controller) request(in AllocInput, task string, attempt int, image string) job.ContainerRequest {
	return job.ContainerRequest{
		Node: c.Node(), Job: in.Job, Group: in.Group, Task: in.Group.Task(task),
		Alloc: in.Spec, Attempt: attempt, ImageID: image, ImageOurs: c.oursByImage(image),
	}
}

// oursByImage reports whether we brought an image; the container's label says
// so, for the time after a loss of the store.
func (c *Controller) oursByImage(id string) bool {
	_, ok := c.Store.Provenance.Get(id)
	return ok
}

// report writes the one line and the one event of a step. A failure that is
// the same as the one before is an event, which is counted, and no line.
func (c *Controller) report(in AllocInput, s Step, err error, before *job.Failure, took time.Duration) {
	if _, reason := job.KindOf(err); err != nil && reason == errNameRemoving {
		return // waited out in a moment
	}
	log := c.entry(in, s.Task).WithFields(logrus.Fields{"reason": s.Reason, "duration": took.Round(time.Millisecond).String()})
	if len(s.Fields) > 0 {
		log = log.WithField("fields", s.Fields)
	}
	ev := store.Event{
		Time: c.Now(), Type: store.EventNormal, Reason: s.Reason,
		Job: in.Spec.Job, Task: s.Task, Alloc: in.Spec.ID, Message: s.String(),
	}
	if err != nil {
		_, reason := job.KindOf(err)
		ev.Type, ev.Reason, ev.Message = store.EventWarning, reason, fmt.Sprintf("%s: %v", s.Kind, err)
		level := logrus.WarnLevel
		if before != nil && before.Reason == reason && before.Message == err.Error() {
			level = logrus.DebugLevel
		}
		log.WithFields(logrus.Fields{"error_reason": reason, "error": err}).Log(level, stepMessages[s.Kind]+" failed")
	} else {
		log.Info(stepMessages[s.Kind])
	}
	c.Store.Event(ev)
}

var stepMessages = map[StepKind]string{
	StepBring:   "image bring",
	StepRun:     "container run",
	StepStart:   "container start",
	StepKill:    "container signal",
	StepRemove:  "container remove",
	StepRename:  "container rename",
	StepUnpause: "container unpause",
	StepUpdate:  "container update",
}

func (c *Controller) warn(in AllocInput, task, reason, msg string) {
	c.entry(in, task).WithField("reason", reason).Warn(msg)
	c.Store.Event(store.Event{
		Time: c.Now(), Type: store.EventWarning, Reason: reason,
		Job: in.Spec.Job, Task: task, Alloc: in.Spec.ID, Message: msg,
	})
}

func (c *Controller) entry(in AllocInput, task string) *logrus.Entry {
	return c.Log.WithFields(logrus.Fields{"job": in.Spec.Job, "task": task, "alloc": in.Spec.ID})
}

func (c *Controller) since(t time.Time) string {
	return c.Now().Sub(t).Round(time.Millisecond).String()
}
