package reconcile

import (
	"context"
	"time"

	"reconciler/internal/job"
)

// foreseeWait bounds all questions of one forecast to the engine: who asks for
// a plan waits for it.
const foreseeWait = 5 * time.Second

// obstacle is why a step that brings what a task needs would fail; nil if it
// would not, or if nobody can tell in time. It is asked for once: neither
// files nor networks change in a play.
func (p *play) obstacle(in AllocInput, status job.AllocStatus, s Step) error {
	if p.c.Foresight == nil || in.Group == nil {
		return nil
	}
	image := status.Tasks[s.Task].ImageID
	key := in.Spec.ID + "/" + s.Task + "/" + image
	err, known := p.obstacles[key]
	if !known {
		ctx, cancel := context.WithDeadline(context.Background(), p.patience)
		err = p.c.Foresight.Foresee(ctx, p.c.request(in, s.Task, s.Attempt, image))
		cancel()
		if kind, _ := job.KindOf(err); kind == job.Indeterminate {
			err = nil
		}
		p.obstacles[key] = err
	}
	return err
}
