package reconcile

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"reconciler/internal/job"
)

// fixedAuth knows the credentials of one task.
type fixedAuth struct {
	key string // job/group/task
	a   job.Auth
}

func (f fixedAuth) Auth(jobName, group, task string) (job.Auth, bool) {
	return f.a, f.key == strings.Join([]string{jobName, group, task}, "/")
}
func (f fixedAuth) AuthChanged(string) time.Time { return time.Time{} }

// The credentials come from the manifest as it is now, not from the spec, and
// their runtime names are resolved.
func TestImageRequest(t *testing.T) {
	in := allocInput()
	task := in.Group.Task("web")
	task.Meta = map[string]string{"user": "bob"}
	known := fixedAuth{in.Spec.Job + "/" + in.Group.Name + "/web", job.Auth{
		Username: "${NOMAD_META_user}", Password: job.NewSecret("a$${x}${meta.user}"), ServerAddress: "r.example",
	}}
	for _, tc := range []struct {
		name string
		auth Auth
		spec *job.Auth
		want job.ImageRequest
	}{
		{"none", known, nil, job.ImageRequest{}},
		{"known", known, &job.Auth{Username: "old"}, job.ImageRequest{Auth: &job.Auth{
			Username: "bob", Password: job.NewSecret("a${x}bob"), ServerAddress: "r.example",
		}}},
		{"not known", fixedAuth{}, &job.Auth{Username: "old"}, job.ImageRequest{AuthMissing: true}},
		{"nobody knows any", noAuth{}, &job.Auth{Username: "old"}, job.ImageRequest{AuthMissing: true}},
	} {
		task.Config.Auth, task.Config.AuthSoftFail, task.Config.ImagePullTimeout = tc.spec, true, job.Duration(time.Minute)
		c := &Controller{Config: Config{Auth: tc.auth, Node: func() job.Node { return job.Node{} }}}
		tc.want.Job, tc.want.Task, tc.want.AllocID, tc.want.Ref = in.Spec.Job, "web", in.Spec.ID, in.Spec.Images["web"]
		tc.want.AuthSoftFail, tc.want.Timeout = true, time.Minute
		got := c.imageRequest(in, task, false)
		if got.Warn == nil {
			t.Errorf("%s: warnings go nowhere", tc.name)
		}
		if diff := cmp.Diff(tc.want, got, cmpopts.IgnoreFields(job.ImageRequest{}, "Warn")); diff != "" {
			t.Errorf("%s: %s", tc.name, diff)
		}
	}
}
