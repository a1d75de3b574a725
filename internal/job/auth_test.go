package job_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reconciler/internal/job"
)

const canary = "hunter2-canary"

// Every way of printing that a careless line of code could use.
func TestSecretIsNeverPrinted(t *testing.T) {
	s := job.NewSecret(canary)
	auth := job.Auth{Username: "u", Password: s}
	type hidden struct{ s job.Secret }
	for _, v := range []any{s, &s, auth, &auth, hidden{s}, &hidden{s}, []any{auth}, map[string]any{"a": hidden{s}}, authJob(canary)} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T", "%p"} {
			if got := fmt.Sprintf(verb, v); strings.Contains(got, canary) || strings.Contains(got, fmt.Sprintf("%x", canary)) {
				t.Errorf("%s of %T: %s", verb, v, got)
			}
		}
		b, err := json.Marshal(v)
		if err != nil || strings.Contains(string(b), canary) {
			t.Errorf("JSON of %T: %s %v", v, b, err)
		}
	}
	if b, _ := s.MarshalText(); string(b) != "[redacted]" {
		t.Errorf("text: %s", b)
	}
	if err := errors.New(fmt.Sprint(s)); err.Error() != "[redacted]" {
		t.Error(err)
	}
	if s.Reveal() != canary || s.IsZero() || !job.NewSecret("").IsZero() || job.NewSecret("").String() != "" {
		t.Error("a secret does not hold its text")
	}
	if !s.Equal(job.NewSecret(canary)) || s.Equal(job.NewSecret("x")) || s.Equal(job.Secret{}) {
		t.Error("equality goes by the text")
	}
}

func authJob(password string) *job.Job {
	return &job.Job{Name: "j", Type: job.TypeService, Groups: []job.Group{{Name: "g", Count: 1, Tasks: []job.Task{
		{Name: "a", Config: job.Config{Image: "r/a:1", Auth: &job.Auth{Username: "u", Password: job.NewSecret(password)}}},
		{Name: "b", Config: job.Config{Image: "r/b:1"}},
	}}}}
}

// What is about the pull alone needs no new container, and the password is in
// no hash at all.
func TestAuthAndHashes(t *testing.T) {
	plain := authJob("")
	plain.Groups[0].Tasks[0].Config.Auth = nil
	base := authJob("one")
	for name, tc := range map[string]struct {
		change  func(*job.Config)
		newHash bool
		inPlace []string
	}{
		"password": {func(c *job.Config) { c.Auth = &job.Auth{Username: "u", Password: job.NewSecret("two")} }, false, nil},
		"username": {func(c *job.Config) { c.Auth = &job.Auth{Username: "v"} }, true, []string{"auth.a.username"}},
		"no auth":  {func(c *job.Config) { c.Auth = nil }, true, []string{"auth.a.username"}},
		"soft":     {func(c *job.Config) { c.AuthSoftFail = true }, true, []string{"auth_soft_fail.a"}},
		"timeout":  {func(c *job.Config) { c.ImagePullTimeout = 1 }, true, []string{"image_pull_timeout.a"}},
	} {
		edited := authJob("one")
		tc.change(&edited.Groups[0].Tasks[0].Config)
		if (job.Hash(edited) != job.Hash(base)) != tc.newHash {
			t.Errorf("%s: a new hash of the job: %v, want %v", name, !tc.newHash, tc.newHash)
		}
		g, h := &base.Groups[0], &edited.Groups[0]
		if job.SpecHash(edited, h) != job.SpecHash(base, g) || job.SpecHash(edited, h) != job.SpecHash(plain, &plain.Groups[0]) {
			t.Errorf("%s: another spec_hash", name)
		}
		if diff := cmp.Diff(tc.inPlace, job.ChangedInPlace(base, g, edited, h)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if got := job.ChangedFields(base, g, edited, h); len(got) > 0 {
			t.Errorf("%s: %q need a new container", name, got)
		}
	}
}

func TestTakeAuth(t *testing.T) {
	j := authJob("one")
	got := j.TakeAuth()
	want := map[string]job.Auth{"g/a": {Username: "u", Password: job.NewSecret("one")}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if a := j.Groups[0].Tasks[0].Config.Auth; a == nil || a.Username != "u" || !a.Password.IsZero() {
		t.Errorf("left in the spec: %+v", a)
	}
}
