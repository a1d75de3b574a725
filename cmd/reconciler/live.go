package main

import (
	"context"
	"fmt"
	"time"

	"reconciler/internal/control"
	"reconciler/internal/job"
	"reconciler/reconcile"
	"reconciler/store"
)

// Limits after which a part that should be moving is not healthy. Waiting for
// dockerd, for a pull or for the file's lock is alive.
const (
	// scanLimit: the directory is read every 20 s.
	scanLimit = 2 * time.Minute
	// workerLimit: the longest deadline of a call to Docker is 5 min.
	workerLimit = 6 * time.Minute
)

// Status draws the state of everything.
func (a *agent) Status() control.Status {
	return control.Build(a.store, control.Live{
		Version: agentVersion(), Node: a.nodeName(),
		Docker: a.dockerStatus(), Manifests: a.manifestsStatus(), Pulls: a.pulls(),
	}, time.Now())
}

// Events returns what happened, oldest first.
func (a *agent) Events() []store.Event { return a.store.Events() }

// Services returns the instances of all services.
func (a *agent) Services() []store.ServiceRecord { return control.Services(a.store) }

// Plan tells what would be done from here.
func (a *agent) Plan() ([]job.Forecast, error) { return a.controller.Forecast() }

// ConfirmDeletions lets the held deletions go on.
func (a *agent) ConfirmDeletions(ctx context.Context) ([]string, error) {
	return a.watcher.ConfirmDeletions(ctx)
}

// Health is the verdict on the agent: whether its loops move, and whether it
// sees the engine and the manifests.
func (a *agent) Health() control.Health {
	checks := map[string]string{"docker": "ok", "manifests": "ok", "store": "ok", "loops": "ok"}
	if d := a.dockerStatus(); !d.Connected {
		checks["docker"] = "away: " + d.Problem
	}
	if m := a.manifestsStatus(); !m.OK {
		checks["manifests"] = m.Problem
	}
	if _, err := a.store.LastCommit(); err != nil {
		checks["store"] = err.Error()
	}
	if why := a.stuck(time.Now()); why != "" {
		checks["loops"] = why
	}
	h := control.Health{OK: true, Checks: checks}
	for _, v := range checks {
		h.OK = h.OK && v == "ok"
	}
	return h
}

// stuck says which loop does not move; "" if all do.
func (a *agent) stuck(now time.Time) string {
	if last := a.watcher.DirStatus().LastScan; !last.IsZero() && now.Sub(last) > scanLimit {
		return "the manifests were last looked at " + now.Sub(last).Round(time.Second).String() + " ago"
	}
	if d := a.controller.Stuck(); d > workerLimit {
		return "a worker has been busy for " + d.Round(time.Second).String()
	}
	return ""
}

func (a *agent) dockerStatus() control.DockerStatus {
	s, e := a.cache.Status(), a.cache.Engine()
	d := control.DockerStatus{
		Connected: s.Connected, Since: s.Since, LastList: s.LastList, Problem: s.Problem,
		Version: e.Version, APIVersion: e.APIVersion,
	}
	if s.Connected && !a.gate.claimed() {
		d.Connected, d.Problem = false, "another agent with this node id works on the engine"
	}
	return d
}

func (a *agent) manifestsStatus() control.ManifestsStatus {
	d := a.watcher.DirStatus()
	return control.ManifestsStatus{Dir: d.Dir, OK: d.OK, Problem: d.Problem, LastScan: d.LastScan}
}

func (a *agent) pulls() []control.Pull {
	var out []control.Pull
	for _, p := range livePulls(a.engine) {
		out = append(out, control.Pull{
			Ref: p.Ref, BytesDone: p.BytesDone, BytesTotal: p.BytesTotal,
			Layers: p.Layers, LayersDone: p.LayersDone, Since: p.Since, Waiters: p.Waiters,
		})
	}
	return out
}

// Ask passes on what an operator asks of a job.
func (a *agent) Ask(ctx context.Context, name string, r control.Request) error {
	what := map[control.Request]func(*store.DeploymentRecord, time.Time){
		control.RequestHold:        reconcile.Hold,
		control.RequestRelease:     reconcile.Release,
		control.RequestRetry:       reconcile.Retry,
		control.RequestRestart:     reconcile.Restart,
		control.RequestRestartPull: reconcile.RestartPull,
	}[r]
	if what == nil {
		return fmt.Errorf("no request is called %q", r)
	}
	a.log.WithField("job", name).WithField("request", string(r)).Info("operator's request")
	return a.controller.Ask(ctx, name, what)
}
