package dockertest

import (
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
)

var imageFilters = map[string]bool{"dangling": true, "label": true, "before": true, "since": true, "reference": true, "until": true}

func (e *Engine) handleImageList(c *call) error {
	f, err := filters.FromJSON(c.query("filters"))
	if err != nil {
		return invalid("%s", err)
	}
	if err := f.Validate(imageFilters); err != nil {
		return invalid("%s", err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	out := []image.Summary{}
	for _, i := range e.sortedImages() {
		tags, digests := e.refsOf(i.id)
		if !imageWanted(f, i, tags, digests) {
			continue
		}
		s := image.Summary{
			ID: i.id, Created: i.created.Unix(), Labels: i.config.Labels, Size: i.size,
			RepoTags: tags, RepoDigests: digests, Containers: -1, SharedSize: -1,
		}
		switch {
		case e.speaks("1.43"):
			s.RepoTags, s.RepoDigests = append([]string{}, tags...), append([]string{}, digests...)
		case len(tags)+len(digests) == 0:
			s.RepoTags, s.RepoDigests = []string{"<none>:<none>"}, []string{"<none>@<none>"}
		}
		if e.speaks("1.51") {
			s.Containers = int64(len(e.users(i.id)))
		}
		out = append(out, s)
	}
	return c.answer(http.StatusOK, out)
}

func imageWanted(f filters.Args, i *img, tags, digests []string) bool {
	if f.Contains("dangling") {
		want := f.ExactMatch("dangling", "true")
		if want != (len(tags) == 0) {
			return false
		}
	}
	if f.Contains("reference") {
		matches := func(ref string) bool {
			for _, pattern := range f.Get("reference") {
				name, _, _ := strings.Cut(ref, ":")
				full, _ := path.Match(pattern, ref)
				bare, _ := path.Match(pattern, name)
				if full || bare {
					return true
				}
			}
			return false
		}
		if !slices.ContainsFunc(slices.Concat(tags, digests), matches) {
			return false
		}
	}
	return !f.Contains("label") || f.MatchKVList("label", i.config.Labels)
}

// users are the containers that have the image; the caller holds mu.
func (e *Engine) users(id string) []*ctr {
	return slices.DeleteFunc(e.sorted(), func(c *ctr) bool { return c.imageID != id })
}

// handleImageInspect answers as a map: the type of the image's Config lies in
// a module that nothing else here needs.
func (e *Engine) handleImageInspect(c *call) error {
	if _, err := canonical(c.arg); err != nil && !strings.HasPrefix(c.arg, "sha256:") && !hexadecimal(c.arg) {
		return invalid("no such image: %s: %s", c.arg, err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	i := e.image(c.arg)
	if i == nil {
		return notFound("no such image: %s: No such image: %s", c.arg, withTag(c.arg))
	}
	tags, digests := e.refsOf(i.id)
	return c.answer(http.StatusOK, map[string]any{
		"Id": i.id, "RepoTags": append([]string{}, tags...), "RepoDigests": append([]string{}, digests...),
		"Parent": "", "Created": i.created.Format(time.RFC3339Nano), "Config": i.config,
		"Architecture": "amd64", "Os": "linux", "Size": i.size,
		"RootFS": map[string]any{"Type": "layers", "Layers": i.layers},
	})
}

func hexadecimal(s string) bool {
	return s != "" && strings.Trim(s, "0123456789abcdef") == ""
}

func (e *Engine) handleTag(c *call) error {
	ref := c.query("repo")
	if tag := c.query("tag"); tag != "" {
		ref += ":" + tag
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	i := e.image(c.arg)
	if i == nil {
		return notFound("No such image: %s", withTag(c.arg))
	}
	full, err := canonical(ref)
	if err != nil {
		return broken("%s", err) // 20.10 says 500, newer ones 400
	}
	e.refs[full] = i.id
	e.emitImage(events.ActionTag, i.id, familiar(full))
	return c.answer(http.StatusCreated, nil)
}
