package agent

import (
	"context"
	"fmt"
	"slices"
	"time"

	"reconciler/internal/control"
	"reconciler/internal/docker"
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
func (a *Agent) Status() control.Status {
	return control.Build(a.Store, control.Live{
		Version: a.version, Node: a.cfg.Name,
		Docker: a.dockerStatus(), Manifests: a.manifestsStatus(), Pulls: a.pulls(),
	}, a.now())
}

// Events returns what happened, oldest first.
func (a *Agent) Events() []store.Event { return a.Store.Events() }

// Services returns the instances of all services.
func (a *Agent) Services() []store.ServiceRecord { return control.Services(a.Store) }

// Plan tells what would be done from here.
func (a *Agent) Plan() ([]job.Forecast, error) { return a.Controller.Forecast() }

// ConfirmDeletions lets the held deletions go on.
func (a *Agent) ConfirmDeletions(ctx context.Context) ([]string, error) {
	return a.Watcher.ConfirmDeletions(ctx)
}

// Health is the verdict on the agent: whether its loops move, and whether it
// sees the engine and the manifests.
func (a *Agent) Health() control.Health {
	checks := map[string]string{"docker": "ok", "manifests": "ok", "store": "ok", "loops": "ok"}
	if d := a.dockerStatus(); !d.Connected {
		checks["docker"] = "away: " + d.Problem
	}
	if m := a.manifestsStatus(); !m.OK {
		checks["manifests"] = m.Problem
	}
	if _, err := a.Store.LastCommit(); err != nil {
		checks["store"] = err.Error()
	}
	if why := a.stuck(a.now()); why != "" {
		checks["loops"] = why
	}
	h := control.Health{OK: true, Checks: checks}
	for _, v := range checks {
		h.OK = h.OK && v == "ok"
	}
	return h
}

// stuck says which loop does not move; "" if all do.
func (a *Agent) stuck(now time.Time) string {
	if last := a.Watcher.DirStatus().LastScan; !last.IsZero() && now.Sub(last) > scanLimit {
		return "the manifests were last looked at " + now.Sub(last).Round(time.Second).String() + " ago"
	}
	if d := a.Controller.Stuck(); d > workerLimit {
		return "a worker has been busy for " + d.Round(time.Second).String()
	}
	return ""
}

func (a *Agent) dockerStatus() control.DockerStatus {
	s, e := a.Cache.Status(), a.Cache.Engine()
	d := control.DockerStatus{
		Connected: s.Connected, Since: s.Since, LastList: s.LastList, Problem: s.Problem,
		Version: e.Version, APIVersion: e.APIVersion,
	}
	if why := a.gate.closed(); s.Connected && why != "" {
		d.Connected, d.Problem = false, why
	}
	return d
}

func (a *Agent) manifestsStatus() control.ManifestsStatus {
	d := a.Watcher.DirStatus()
	return control.ManifestsStatus{Dir: d.Dir, OK: d.OK, Problem: d.Problem, LastScan: d.LastScan}
}

// manifestsAway reports whether the manifests cannot be read just now.
func (a *Agent) manifestsAway() bool { return !a.Watcher.DirStatus().OK }

func (a *Agent) pulls() []control.Pull {
	var out []control.Pull
	for _, p := range livePulls(a.Engine) {
		out = append(out, control.Pull{
			Ref: p.Ref, BytesDone: p.BytesDone, BytesTotal: p.BytesTotal,
			Layers: p.Layers, LayersDone: p.LayersDone, Since: p.Since, Waiters: p.Waiters,
		})
	}
	return out
}

// Ask passes on what an operator asks of a job.
func (a *Agent) Ask(ctx context.Context, name string, r control.Request) error {
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
	return a.Controller.Ask(ctx, name, what)
}

// livePulls are the pulls under way, oldest first.
func livePulls(e *docker.Engine) []docker.PullProgress {
	return slices.SortedFunc(slices.Values(e.Progress()), func(a, b docker.PullProgress) int { return a.Since.Compare(b.Since) })
}
