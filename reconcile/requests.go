package reconcile

import (
	"context"
	"errors"
	"fmt"
	"time"

	"reconciler/store"
)

// ErrNoJob is returned by Ask for a job that nothing is known of.
var ErrNoJob = errors.New("no such job")

// Ask records what an operator asks of a job, waits until that is committed
// (a second at most), and has the job looked at. It works while dockerd is
// away; what was asked is acted on when it is back.
func (c *Controller) Ask(ctx context.Context, name string, ask func(*store.DeploymentRecord, time.Time)) error {
	_, recorded := c.Store.Jobs.Get(name)
	if !recorded && len(c.allocsOf(name)) == 0 {
		return fmt.Errorf("%w: %q; 'reconciler status' lists all", ErrNoJob, name)
	}
	c.deploy.Lock()
	d, _ := c.Store.Deployments.Get(name)
	ask(&d, c.Now().UTC())
	c.Store.Deployments.Put(name, d)
	c.deploy.Unlock()
	c.refusals.forget(name)
	c.hintJob(name)
	if err := c.Store.Sync(ctx); err != nil {
		return fmt.Errorf("request noted, and not in the state file yet: %w", err)
	}
	return nil
}

// Hold leaves a job alone until Release.
func Hold(d *store.DeploymentRecord, now time.Time) {
	if d.HoldSince.IsZero() {
		d.HoldSince = now
	}
}

// Release ends a hold. What ended during it is no crash.
func Release(d *store.DeploymentRecord, now time.Time) {
	if !d.HoldSince.IsZero() {
		d.HoldSince, d.ReleasedAt = time.Time{}, now
	}
}

// Retry forgets the failures and crashes of before.
func Retry(d *store.DeploymentRecord, now time.Time) { d.RetryAt = now }

// Restart replaces every allocation that was made before.
func Restart(d *store.DeploymentRecord, now time.Time) { d.RestartAt = now }

// RestartPull is Restart, with images asked for anew at their registry.
func RestartPull(d *store.DeploymentRecord, now time.Time) {
	d.RestartAt, d.PullAt = now, now
	groups := map[string]store.GroupDeployment{}
	for name, g := range d.Groups {
		g.Images = nil
		groups[name] = g
	}
	d.Groups = groups
}
