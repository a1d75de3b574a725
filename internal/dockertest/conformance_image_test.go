package dockertest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/google/go-cmp/cmp"
)

func init() {
	conformance["image: look, tag and list"] = caseImageLook
	conformance["image: remove by reference"] = caseUntag
	conformance["image: remove by id"] = caseRemoveImage
	conformance["image: a loaded tag moves"] = caseTagMoves
	conformance["image: what is no archive"] = caseBadArchive
	conformance["image: a load that nobody hears of"] = caseLoadAlone
	conformance["pull: new, again and moved"] = casePull
	conformance["pull: by digest"] = casePullDigest
	conformance["pull: refusals"] = casePullRefused
}

func caseImageLook(f *fixture) {
	i, err := f.cli.ImageInspect(f.Context(), f.image)
	f.must(err)
	if !slices.Equal(i.RepoTags, []string{f.image}) || len(i.RepoDigests) != 0 || i.Os != "linux" || i.Size < 1<<20 ||
		i.Config.StopSignal != "SIGINT" || len(i.RootFS.Layers) != 2 {
		f.Errorf("inspect: %+v, config %+v", i, i.Config)
	}
	for _, ref := range []string{i.ID, strings.TrimPrefix(i.ID, "sha256:")[:12], "docker.io/library/" + f.image} {
		if got := f.imageID(ref); got != i.ID {
			f.Errorf("%s means %s", ref, got)
		}
	}
	look := func(ref string) error { return second(f.cli.ImageInspect(f.Context(), ref)) }
	f.is("no such tag", look(f.mark+":none"), errdefs.IsNotFound)
	f.is("no such id", look("sha256:"+strings.Repeat("0", 64)), errdefs.IsNotFound)
	f.is("no reference", look("NO"), errdefs.IsInvalidArgument)
	f.is("tag of what is not there", f.cli.ImageTag(f.Context(), f.mark+":none", f.mark+":3"), errdefs.IsNotFound)

	two := f.mark + ":2"
	told := f.recordImages()
	f.must(f.cli.ImageTag(f.Context(), f.image, two))
	list, err := f.cli.ImageList(f.Context(), image.ListOptions{Filters: filters.NewArgs(filters.Arg("reference", f.mark))})
	f.must(err)
	if len(list) != 1 || !slices.Equal(list[0].RepoTags, []string{f.image, two}) || list[0].ID != i.ID || list[0].Containers != -1 || list[0].Size != i.Size {
		f.Errorf("list: %+v", list)
	}
	out, err := f.untag(two, false)
	f.must(err)
	if diff := cmp.Diff([]image.DeleteResponse{{Untagged: two}}, out); diff != "" {
		f.Errorf("untag of one of two (-want +got):\n%s", diff)
	}
	f.told(told("untag"), "tag", "untag")
	f.is("untag again", second(f.untag(two, false)), errdefs.IsNotFound)
}

// recordImages notes events of the tests' images from now on.
func (f *fixture) recordImages() func(last string) []string {
	f.Helper()
	ctx, cancel := context.WithCancel(f.Context())
	f.Cleanup(cancel)
	msgs, errs := f.cli.Events(ctx, events.ListOptions{Filters: filters.NewArgs(filters.Arg("type", "image"))})
	time.Sleep(50 * time.Millisecond)
	id := f.imageID(f.image)
	return func(last string) []string {
		f.Helper()
		defer cancel()
		late := time.After(15 * time.Second)
		var out []string
		for len(out) == 0 || out[len(out)-1] != last {
			select {
			case m := <-msgs:
				if m.Actor.ID == id || strings.HasPrefix(m.Actor.ID, f.reg.host()) {
					out = append(out, string(m.Action))
				}
			case err := <-errs:
				f.Fatalf("events: %v", err)
			case <-late:
				f.Fatalf("events are %q, and %q never came", out, last)
			}
		}
		return out
	}
}

func caseUntag(f *fixture) {
	id := f.create("a")
	f.is("the only tag of an image in use", second(f.untag(f.image, false)), errdefs.IsConflict)
	near := f.mark + ":near" // a second tag of the repository frees each
	f.must(f.cli.ImageTag(f.Context(), f.image, near))
	f.must(second(f.untag(near, false)))
	two := "other-" + f.mark + ":2"
	f.must(f.cli.ImageTag(f.Context(), f.image, two))
	out, err := f.untag(f.image, false) // although the container names it
	f.must(err)
	if len(out) != 1 || out[0].Untagged != f.image {
		f.Errorf("untag: %+v", out)
	}
	list, err := f.cli.ContainerList(f.Context(), container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("id", id))})
	f.must(err)
	image := f.inspect(id).Image
	if len(list) != 1 || list[0].Image != image || list[0].ImageID != image || f.inspect(id).Config.Image != f.image {
		f.Errorf("the list of a container without its tag: %+v", list)
	}
	f.remove(id)
	out, err = f.untag(two, false)
	f.must(err)
	if len(out) < 2 || out[0].Untagged != two || out[1].Deleted != image {
		f.Errorf("untag of the last: %+v", out)
	}
	f.is("inspect", second(f.cli.ImageInspect(f.Context(), image)), errdefs.IsNotFound)
}

func caseRemoveImage(f *fixture) {
	id := f.imageID(f.image)
	con := f.run("a")
	f.is("image of a running container", second(f.untag(id, false)), errdefs.IsConflict)
	f.is("the same by force", second(f.untag(id, true)), errdefs.IsConflict)
	f.must(f.cli.ContainerKill(f.Context(), con, "KILL"))
	f.is("image of a stopped container", second(f.untag(id, false)), errdefs.IsConflict)
	f.remove(con)
	two := "other-" + f.mark + ":2"
	f.must(f.cli.ImageTag(f.Context(), f.image, two))
	f.is("image with two repositories", second(f.untag(id, false)), errdefs.IsConflict)
	f.must(second(f.untag(two, false)))
	near := f.mark + ":near"
	f.must(f.cli.ImageTag(f.Context(), f.image, near))
	f.is("image with two tags", second(f.untag(id, false)), errdefs.IsConflict)
	f.must(second(f.untag(near, false)))
	told := f.recordImages()
	out, err := f.untag(id, false)
	f.must(err)
	if len(out) < 2 || out[0].Untagged != f.image || out[1].Deleted != id {
		f.Errorf("removal by id: %+v", out)
	}
	f.told(told("delete"), "untag", "delete")
	f.is("again", second(f.untag(id, false)), errdefs.IsNotFound)
}

func caseTagMoves(f *fixture) {
	path, err := archive()
	f.must(err)
	id := f.imageID(f.image)
	con := f.create("a")
	// Another image takes the tag: the engine's own copy of the first, with
	// another tag, keeps it alive only through the container.
	f.reg.push(f.reg.host()+"/moves:1", "moves")
	f.pull(f.reg.host()+"/moves:1", nil)
	f.must(f.cli.ImageTag(f.Context(), f.reg.host()+"/moves:1", f.image))
	i, err := f.cli.ImageInspect(f.Context(), id)
	f.must(err)
	if len(i.RepoTags)+len(i.RepoDigests) != 0 {
		f.Errorf("the old image has %v %v", i.RepoTags, i.RepoDigests)
	}
	list, err := f.cli.ImageList(f.Context(), image.ListOptions{Filters: filters.NewArgs(filters.Arg("dangling", "true"))})
	f.must(err)
	if !slices.ContainsFunc(list, func(s image.Summary) bool {
		return s.ID == id && slices.Equal(s.RepoTags, []string{"<none>:<none>"}) && slices.Equal(s.RepoDigests, []string{"<none>@<none>"})
	}) {
		f.Errorf("dangling: %+v", list)
	}
	if f.inspect(con).Image != id {
		f.Error("the container has another image")
	}
	f.load(path) // moves it back
	if got := f.imageID(f.image); got != id {
		f.Errorf("after the load the tag means %s", got)
	}
	_, err = f.untag(f.reg.host()+"/moves:1", false)
	f.must(err)
}

func caseBadArchive(f *fixture) {
	for name, body := range map[string][]byte{"empty": nil, "text": bytes.Repeat([]byte("no tar "), 200)} {
		resp, err := f.cli.ImageLoad(f.Context(), bytes.NewReader(body))
		if err == nil {
			b, readErr := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			f.must(readErr)
			if !strings.Contains(string(b), `"errorDetail"`) {
				f.Errorf("%s: %s", name, b)
			}
			continue
		}
		f.is(name, err, isInternal)
	}
}

// pull returns the texts of the stream and the error that stands in it.
func (f *fixture) tryPull(ref string) (said []string, err error) {
	body, err := f.cli.ImagePull(f.Context(), ref, image.PullOptions{})
	if err != nil {
		return nil, err
	}
	defer body.Close()
	dec := json.NewDecoder(body)
	for {
		var p progress
		switch err := dec.Decode(&p); {
		case errors.Is(err, io.EOF):
			return said, nil
		case err != nil:
			return said, err
		case p.Text != "":
			return said, errors.New(p.Text)
		}
		if p.Status != "" && !slices.Contains(said, p.Status) {
			said = append(said, p.Status)
		}
	}
}

func (f *fixture) pull(ref string, want []string) {
	f.Helper()
	said, err := f.tryPull(ref)
	f.must(err)
	for _, w := range want {
		if !slices.ContainsFunc(said, func(s string) bool { return strings.HasPrefix(s, w) }) {
			f.Errorf("the stream says %q, and not %q", said, w)
		}
	}
}

func casePull(f *fixture) {
	ref := f.reg.host() + "/web:1"
	f.reg.push(ref, "one")
	told := f.recordImages()
	f.pull(ref, []string{"Pulling from web", "Pulling fs layer", "Pull complete", "Digest: sha256:", "Status: Downloaded newer image for " + ref})
	f.told(told("pull"), "pull")
	one, err := f.cli.ImageInspect(f.Context(), ref)
	f.must(err)
	if !slices.Equal(one.RepoTags, []string{ref}) || len(one.RepoDigests) != 1 || !strings.HasPrefix(one.RepoDigests[0], f.reg.host()+"/web@sha256:") {
		f.Errorf("pulled: %v %v", one.RepoTags, one.RepoDigests)
	}
	f.pull(ref, []string{"Digest: sha256:", "Status: Image is up to date for " + ref})
	dist, err := f.cli.DistributionInspect(f.Context(), ref, "")
	f.must(err)
	if !strings.HasSuffix(one.RepoDigests[0], string(dist.Descriptor.Digest)) {
		f.Errorf("distribution says %s", dist.Descriptor.Digest)
	}
	f.pull(one.RepoDigests[0], []string{"Digest: "})

	f.reg.push(ref, "two")
	f.pull(ref, []string{"Status: Downloaded newer image for " + ref})
	old, err := f.cli.ImageInspect(f.Context(), one.ID)
	f.must(err)
	if len(old.RepoTags) != 0 || !slices.Equal(old.RepoDigests, one.RepoDigests) {
		f.Errorf("the old image has %v %v", old.RepoTags, old.RepoDigests)
	}
	two := f.imageID(ref)
	out, err := f.untag(ref, false)
	f.must(err)
	if two == one.ID || len(out) < 3 || out[0].Untagged != ref || !strings.Contains(out[1].Untagged, "@sha256:") || out[2].Deleted != two {
		f.Errorf("removal: %+v", out)
	}
	_, err = f.untag(one.ID, false)
	f.must(err)
	f.is("by digest", second(f.cli.ImageInspect(f.Context(), one.RepoDigests[0])), errdefs.IsNotFound)
}

func casePullRefused(f *fixture) {
	ref := f.reg.host() + "/web:1"
	f.reg.push(ref, "one")
	pull := func(ref string) error { return second(f.tryPull(ref)) }
	dist := func(ref string) error { return second(f.cli.DistributionInspect(f.Context(), ref, "")) }
	f.is("pull of no tag", pull(f.reg.host()+"/web:none"), errdefs.IsNotFound)
	f.is("distribution of no tag", dist(f.reg.host()+"/web:none"), errdefs.IsNotFound)
	f.is("pull from nobody", pull(f.reg.dead()+"/web:1"), isInternal)
	f.is("distribution from nobody", dist(f.reg.dead()+"/web:1"), isInternal)
	for _, tc := range []struct {
		status     int
		pull, dist func(error) bool
	}{
		{401, isInternal, errdefs.IsUnauthorized},
		{403, errdefs.IsNotFound, errdefs.IsPermissionDenied},
		{429, isInternal, errdefs.IsResourceExhausted},
		{500, isInternal, isInternal},
	} {
		f.reg.answer(tc.status)
		if err := pull(ref); err == nil || !tc.pull(err) {
			f.Errorf("registry says %d, the pull: %v", tc.status, err)
		}
		if err := dist(ref); err == nil || !tc.dist(err) {
			f.Errorf("registry says %d, the distribution: %v", tc.status, err)
		}
		f.reg.answer(0)
	}
	f.pull(ref, nil)
	_, err := f.untag(ref, false)
	f.must(err)
}
