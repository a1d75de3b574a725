package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/google/go-cmp/cmp"

	"reconciler/internal/job"
)

// box is what the tests look at of one container of the agent's.
type box struct {
	ID      string
	Name    string
	State   string
	Image   string // reference or id that it was made with
	ImageID string
	Started string // as the engine prints it: changes with every start
	Who     job.Identity
}

// ctx bounds one call to the engine. It outlives the test, for the cleanup.
func (w *world) ctx() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(w.t.Context()), 30*time.Second)
}

// boxes lists the containers, running or not, of this world's agent.
func (w *world) boxes() []box {
	w.t.Helper()
	if w.nodeID() == "" {
		return nil // the agent has not made its id, so it has made no container
	}
	ctx, cancel := w.ctx()
	defer cancel()
	list, err := w.cli.ContainerList(ctx, container.ListOptions{
		All: true, Filters: filters.NewArgs(filters.Arg("label", job.LabelNodeID+"="+w.node)),
	})
	must(w.t, err)
	var out []box
	for _, c := range list {
		in, err := w.cli.ContainerInspect(ctx, c.ID)
		if errdefs.IsNotFound(err) {
			continue
		}
		must(w.t, err)
		id, _, err := job.ParseLabels(in.Config.Labels)
		if err != nil {
			w.t.Fatalf("labels of %s: %v", in.Name, err)
		}
		out = append(out, box{
			ID: in.ID, Name: strings.TrimPrefix(in.Name, "/"), State: in.State.Status,
			Image: in.Config.Image, ImageID: in.Image, Started: in.State.StartedAt, Who: id,
		})
	}
	slices.SortFunc(out, func(a, b box) int {
		return strings.Compare(fmt.Sprint(a.Who.Job, a.Who.AllocIndex, a.Who.AllocID, a.Who.Attempt), fmt.Sprint(b.Who.Job, b.Who.AllocIndex, b.Who.AllocID, b.Who.Attempt))
	})
	return out
}

// running lists the running containers of a job, by index.
func (w *world) running(name string) []box {
	w.t.Helper()
	return slices.DeleteFunc(w.boxes(), func(b box) bool { return b.Who.Job != name || b.State != "running" })
}

// all lists the containers of a job in any state.
func (w *world) all(name string) []box {
	w.t.Helper()
	return slices.DeleteFunc(w.boxes(), func(b box) bool { return b.Who.Job != name })
}

// awaitRunning waits until n containers of a job run, one for each index from
// 0, and returns them.
func (w *world) awaitRunning(name string, n int) []box {
	w.t.Helper()
	var got []box
	eventually(w.t, fmt.Sprintf("%d of job %s run", n, name), func() error {
		got = w.running(name)
		if len(got) != n {
			return fmt.Errorf("%d run; all: %s", len(got), brief(w.boxes()))
		}
		for i, b := range got {
			if b.Who.AllocIndex != i {
				return fmt.Errorf("indexes are not 0…%d: %s", n-1, brief(got))
			}
		}
		return nil
	})
	return got
}

// awaitNone waits until no container of a job is left, in any state.
func (w *world) awaitNone(name string) {
	w.t.Helper()
	eventually(w.t, "no container of job "+name+" is left", func() error {
		if got := w.all(name); len(got) > 0 {
			return errors.New(brief(got))
		}
		return nil
	})
}

// same demands that the containers of the job that run are exactly these:
// same ids, none restarted.
func (w *world) same(name string, want []box) error {
	w.t.Helper()
	if diff := cmp.Diff(want, w.running(name)); diff != "" {
		return fmt.Errorf("containers of job %s changed (-was +is):\n%s", name, diff)
	}
	return nil
}

// staysSame is same for the whole of d.
func (w *world) staysSame(d time.Duration, name string, want []box) {
	w.t.Helper()
	steadily(w.t, d, "job "+name+" runs undisturbed", func() error { return w.same(name, want) })
}

func brief(boxes []box) string {
	var out []string
	for _, b := range boxes {
		out = append(out, fmt.Sprintf("%s (%s, index %d, attempt %d)", b.Name, b.State, b.Who.AllocIndex, b.Who.Attempt))
	}
	return "[" + strings.Join(out, "; ") + "]"
}

// removeContainers removes every container of this world's agent: it knows
// them by the node id, which no other agent has.
func (w *world) removeContainers() {
	ctx, cancel := w.ctx()
	defer cancel()
	for _, b := range w.boxes() {
		err := w.cli.ContainerRemove(ctx, b.ID, container.RemoveOptions{Force: true, RemoveVolumes: true})
		if err != nil && !errdefs.IsNotFound(err) && !errdefs.IsConflict(err) {
			w.t.Errorf("cleanup: %v", err)
		}
	}
}

// url is where the program of a container answers from this host.
func (b box) url() (string, error) {
	for _, p := range b.Who.Ports {
		if p.Label == "http" {
			return "http://" + net.JoinHostPort(p.HostIP, strconv.Itoa(p.Host)), nil
		}
	}
	return "", fmt.Errorf("%s has no port http in its labels", b.Name)
}

// about is what the test program says of itself.
type about struct {
	Text string            `json:"text"`
	Env  map[string]string `json:"env"`
}

var browser = &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

// ask asks the program in a container, through its published port.
func (b box) ask() (about, error) {
	url, err := b.url()
	if err != nil {
		return about{}, err
	}
	resp, err := browser.Get(url + "/")
	if err != nil {
		return about{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return about{}, err
	}
	var a about
	return a, json.Unmarshal(body, &a)
}

// awaitText waits until the one container of a job answers with text.
func (w *world) awaitText(name, text string) box {
	w.t.Helper()
	var b box
	eventually(w.t, fmt.Sprintf("job %s answers %q", name, text), func() error {
		got := w.running(name)
		if len(got) != 1 {
			return errors.New(brief(got))
		}
		b = got[0]
		a, err := b.ask()
		if err == nil && a.Text != text {
			err = fmt.Errorf("answers %q", a.Text)
		}
		return err
	})
	return b
}
