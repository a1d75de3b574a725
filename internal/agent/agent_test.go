package agent

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"reconciler/internal/control"
	"reconciler/internal/host"
	"reconciler/internal/job"
	"reconciler/reconcile"
	"reconciler/store"
)

// TestAgent: what New wires makes of a file a container, keeps it over a
// restart, and removes it with its file.
func TestAgent(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.want("web")
		a, stop := r.start()
		time.Sleep(time.Minute)
		if n := r.running(); n != 1 {
			t.Fatalf("%d containers run, want 1", n)
		}
		if s := a.Status(); len(s.Jobs) != 1 || s.Version != "1.2.3" || s.Node != "host" || !s.Docker.Connected || !s.Manifests.OK {
			t.Errorf("status %+v", s)
		}
		if h := a.Health(); !h.OK {
			t.Errorf("health %+v", h)
		}
		before := len(r.Writes())
		stop()
		_, stop = r.start()
		time.Sleep(time.Minute)
		if w := r.Writes()[before:]; len(w) > 0 {
			t.Errorf("a restart wrote %v", w)
		}
		if err := os.Remove(filepath.Join(r.cfg.ManifestDir, "web.hcl")); err != nil {
			t.Fatal(err)
		}
		r.want("other")
		time.Sleep(time.Minute)
		stop()
		if names := r.Names(); len(names) != 1 || !strings.Contains(names[0], "main") {
			t.Errorf("containers %v, want that of the other job", names)
		}
	})
}

// TestNothingBeforeTheFiles: a job whose file went while no agent ran is not
// begun once more, although the records say that it should run.
func TestNothingBeforeTheFiles(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		for _, name := range []string{"web", "api", "db"} {
			r.want(name)
		}
		_, stop := r.start()
		time.Sleep(time.Minute)
		stop()
		for _, c := range r.Containers() {
			if c.Config.Labels[job.LabelJob] == "web" {
				r.RemoveByHand(c.ID)
			}
		}
		if err := os.Remove(filepath.Join(r.cfg.ManifestDir, "web.hcl")); err != nil {
			t.Fatal(err)
		}
		before := len(r.Writes())
		a, _ := r.start()
		if a.Controller.Ready != a.Watcher.Decided() { // the scan here is too quick to show it
			t.Error("the controllers do not wait for the first scan that decides")
		}
		time.Sleep(time.Second)
		if w := r.Writes()[before:]; len(w) > 0 {
			t.Errorf("writes for a job that no file wants: %v", w)
		}
	})
}

func TestNewGivesTheDirectoryBack(t *testing.T) {
	r := newRig(t)
	r.cfg.Client.NetworkIP, r.cfg.Client.NetworkInterface = "", "none0"
	if _, err := New(r.options()); err == nil || !strings.Contains(err.Error(), "none0") {
		t.Fatalf("error %v, want the interface that is not there", err)
	}
	r.cfg.Client.NetworkInterface = ""
	_, stop := r.start()
	if _, err := New(r.options()); err == nil || !strings.Contains(err.Error(), r.cfg.DataDir) {
		t.Errorf("a second agent on one directory: %v", err)
	}
	stop()
}

// TestClaimed: while another process has the engine under our node id,
// nothing is written, and everybody who asks is told.
func TestClaimed(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		st, err := store.Open(r.cfg.DataDir, store.Options{Log: r.log})
		if err != nil {
			t.Fatal(err)
		}
		id := st.NodeID()
		if err := st.Close(); err != nil {
			t.Fatal(err)
		}
		info, err := r.Client().Info(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		other, err := host.ClaimEngine(t.Context(), info.ID, id)
		if err != nil {
			t.Fatal(err)
		}
		r.want("web")
		a, _ := r.start()
		time.Sleep(time.Minute)
		if w := r.Writes(); len(w) > 0 {
			t.Errorf("writes on an engine that is another's: %v", w)
		}
		if h := a.Health(); h.OK || !strings.Contains(h.Checks["docker"], "another agent") {
			t.Errorf("health %+v", h)
		}
		if _, err := a.Plan(); err == nil {
			t.Error("a plan was made on an engine that is another's")
		}
		if err := other.Close(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(claimRetry + 10*time.Second)
		if n := r.running(); n != 1 {
			t.Errorf("%d containers run %s after the claim was free", n, claimRetry)
		}
	})
}

// TestNotYetClaimed: between the first list and the claim nobody is accused.
func TestNotYetClaimed(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		a, err := New(r.options())
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- a.Cache.Run(ctx) }()
		time.Sleep(time.Second)
		if d := a.dockerStatus(); d.Connected || !strings.Contains(d.Problem, "about to be claimed") {
			t.Errorf("status %+v", d)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := a.Store.Close(); err != nil {
			t.Error(err)
		}
		_ = a.api.Close() // as Run does
	})
}

func TestHealth(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		a, _ := r.start()
		time.Sleep(time.Minute)
		if why := a.stuck(time.Now()); why != "" {
			t.Errorf("an agent that moves: %s", why)
		}
		r.Stop()
		time.Sleep(time.Minute)
		if h := a.Health(); h.OK || !strings.HasPrefix(h.Checks["docker"], "away: ") || h.Checks["loops"] != "ok" {
			t.Errorf("with dockerd away: %+v", h)
		}
		r.Start()
		if err := os.Rename(r.cfg.ManifestDir, r.cfg.ManifestDir+".away"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if h := a.Health(); h.OK || h.Checks["manifests"] == "ok" || h.Checks["docker"] != "ok" {
			t.Errorf("without manifests: %+v", h)
		}
		if why := a.stuck(time.Now().Add(scanLimit + time.Minute)); !strings.Contains(why, "manifests") {
			t.Errorf("a watcher that does not move: %q", why)
		}
	})
}

func TestAsk(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.want("web")
		a, _ := r.start()
		time.Sleep(time.Minute)
		for _, req := range []control.Request{
			control.RequestHold, control.RequestRelease, control.RequestRetry, control.RequestRestart, control.RequestRestartPull,
		} {
			if err := a.Ask(t.Context(), "web", req); err != nil {
				t.Errorf("%s: %v", req, err)
			}
			d, _ := a.Store.Deployments.Get("web")
			if held := !d.HoldSince.IsZero(); held != (req == control.RequestHold) {
				t.Errorf("%s: held is %t", req, held)
			}
		}
		if err := a.Ask(t.Context(), "web", "dance"); err == nil || !strings.Contains(err.Error(), `"dance"`) {
			t.Errorf("an unknown request: %v", err)
		}
		if err := a.Ask(t.Context(), "nobody", control.RequestHold); err == nil {
			t.Error("a job that nobody knows was held")
		}
	})
}

// TestForecast: what a plan says without an agent is what an agent then does,
// and the plan itself leaves no trace.
func TestForecast(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.want("web")
		steps, err := Forecast(t.Context(), r.options())
		if err != nil || len(steps) == 0 {
			t.Fatalf("%v, %v", steps, err)
		}
		if w := r.Writes(); len(w) > 0 {
			t.Errorf("a plan wrote %v", w)
		}
		if _, err := os.Stat(r.cfg.DataDir); err == nil {
			t.Error("a plan made the data directory")
		}
		_, stop := r.start()
		time.Sleep(time.Minute)
		stop()
		if steps, err := Forecast(t.Context(), r.options()); err != nil || len(steps) > 0 {
			t.Errorf("after the agent: %v, %v", steps, err)
		}
		r.Stop()
		if _, err := Forecast(t.Context(), r.options()); err == nil || !strings.Contains(err.Error(), reconcile.ErrBlind.Error()) {
			t.Errorf("with dockerd away: %v", err)
		}
	})
}
