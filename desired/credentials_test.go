package desired

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"reconciler/store"
)

func authManifest(image, user, password string) string {
	return fmt.Sprintf("task \"web\" {\n config {\n image = %q\n auth {\n username = %q\n password = %q\n}\n}\n}\n", image, user, password)
}

func realLanguage(w *Watcher) { w.files = newFiles(Parse) }

func (r *rig) wantAuth(user, password string) {
	r.t.Helper()
	r.eventually("credentials "+user+" "+password, func() bool {
		a, ok := r.w.Auth("web", "web", "web")
		return ok == (user != "") && a.Username == user && a.Password.Reveal() == password
	})
}

// An edit of the password alone is no new generation; the next one who asks
// gets it.
func TestPasswordEdit(t *testing.T) {
	r := newRig(t)
	r.save("web.hcl", authManifest("r.example/a:1", "u", "first-canary"))
	asked := make(chan string, 10)
	r.start(realLanguage, func(w *Watcher) { w.OnAuth(func(name string) { asked <- name }) })
	r.wantAuth("u", "first-canary")
	before, _ := r.st.Jobs.Get("web")
	if at := r.w.AuthChanged("web"); !at.IsZero() || len(asked) > 0 {
		t.Errorf("first seen, and changed at %s, %d told", at, len(asked))
	}

	r.save("web.hcl", authManifest("r.example/a:1", "u", "second-canary"))
	r.wantAuth("u", "second-canary")
	if name := <-asked; name != "web" || r.w.AuthChanged("web").IsZero() {
		t.Errorf("told of %q", name)
	}
	after, _ := r.st.Jobs.Get("web")
	if after.Generation != before.Generation || after.Spec != before.Spec {
		t.Errorf("generation %d became %d", before.Generation, after.Generation)
	}
	if got := r.reasons(); got[len(got)-1] != "CredentialsChanged" {
		t.Errorf("events %q", got)
	}

	// Another user is an edit; a broken file keeps what was good; a deleted
	// job's credentials are forgotten.
	r.save("web.hcl", authManifest("r.example/a:1", "v", "third-canary"))
	r.wantAuth("v", "third-canary")
	// The credentials are there first: who sees the new spec finds them.
	r.eventually("the next generation", func() bool {
		rec, _ := r.st.Jobs.Get("web")
		return rec.Generation == before.Generation+1
	})
	<-asked
	r.save("web.hcl", "task \"web\" {")
	r.wantProblem("web.hcl", "Unclosed")
	r.wantAuth("v", "third-canary")
	r.remove("web.hcl")
	r.eventually("deleted", func() bool { rec, _ := r.st.Jobs.Get("web"); return !rec.Deleted.IsZero() || rec.Generation == 0 })
	r.noCanary()
}

// noCanary searches the state file, the events and the log.
func (r *rig) noCanary() {
	r.t.Helper()
	ctx, stop := context.WithCancel(r.t.Context())
	recorded := make(chan error, 1)
	go func() { recorded <- r.st.Run(ctx) }()
	if err := r.st.Sync(ctx); err != nil {
		r.t.Error(err)
	}
	stop()
	if err := <-recorded; err != nil {
		r.t.Error(err)
	}
	events, _ := json.Marshal(r.st.Events())
	text := string(events)
	for _, e := range r.log.AllEntries() {
		s, _ := e.String()
		text += s
	}
	for _, rec := range r.st.Jobs.All() {
		text += fmt.Sprintf("%+v", rec.Spec)
	}
	b, err := os.ReadFile(filepath.Join(r.st.Dir(), "state.db"))
	if err != nil {
		r.t.Error(err)
	}
	if text += string(b); strings.Contains(text, "canary") {
		r.t.Error("a password is in the state file, an event or the log")
	}
}

// After a start with a broken file nobody knows the password; whoever asked in
// vain is told once the file is good again.
func TestCredentialsAreNotRestored(t *testing.T) {
	r := newRig(t)
	r.save("web.hcl", authManifest("r.example/a:1", "u", "canary"))
	r.start(realLanguage)
	r.wantAuth("u", "canary")
	r.stop()
	r.save("web.hcl", "task \"web\" {")
	asked := make(chan string, 10)
	r.start(realLanguage, func(w *Watcher) { w.OnAuth(func(name string) { asked <- name }) })
	rec, _ := r.st.Jobs.Get("web")
	if a := rec.Spec.Groups[0].Tasks[0].Config.Auth; a == nil || a.Username != "u" || !a.Password.IsZero() {
		t.Errorf("the stored spec has %+v", a)
	}
	r.wantAuth("", "")
	begin := time.Now()
	r.save("web.hcl", authManifest("r.example/a:1", "u", "canary"))
	r.wantAuth("u", "canary")
	if name := <-asked; name != "web" || r.w.AuthChanged("web").Before(begin.UTC()) {
		t.Errorf("told of %q at %s", name, r.w.AuthChanged("web"))
	}
	r.noCanary()
}

// A job that lost its name or port to another one keeps its own credentials,
// not those of the file that may not run.
func TestCredentialsOfTheSpecInForce(t *testing.T) {
	c := newCredentials()
	jobs := map[string]store.JobRecord{"a": {Generation: 1}}
	d := decide(view{now: epoch, ready: true, live: true, grace: testGrace, files: map[string]manifest{
		"a.hcl": newFiles(Parse).parsed("a.hcl", []byte(authManifest("r.example/a:1", "mine", "p"))),
		"b.hcl": newFiles(Parse).parsed("b.hcl", []byte(authManifest("r.example/b:1", "other", "p"))),
	}})
	c.replace(d.auth, jobs, epoch)
	if got := d.auth["web"]["web/web"].Username; got != "mine" {
		t.Errorf("credentials of %q", got)
	}
	if len(c.jobs) != 0 {
		t.Errorf("credentials of a job that has no record: %d", len(c.jobs))
	}
}
