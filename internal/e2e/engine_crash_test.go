package e2e

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"

	"reconciler/internal/job"
)

// killings is how often the agent is killed.
const killings = 10

// wanted is what the files ask for, and what the host must come to.
type wanted struct {
	spec
	version int // of its image
}

// TestLaw_RestartSafe_Killed: the agent is killed at random moments of placing,
// replacing, scaling, stopping, pulling and deleting images, and again while
// it starts. At no time does one task run twice; at the end the host is as the
// files say and nothing is left over. E2E_SEED replays a run, as far as the
// machine's timing does.
func TestLaw_RestartSafe_Killed(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if s, err := strconv.ParseUint(os.Getenv("E2E_SEED"), 10, 64); err == nil {
		seed = s
	}
	w := newWorld(t, "--image-delay", "1s")
	t.Logf("E2E_SEED=%d", seed)
	w.allowMassDeletion()
	r := rand.New(rand.NewPCG(seed, 0))
	files := map[string]*wanted{}
	w.up()
	doubles := w.watchDoubles()

	for range killings {
		for range 1 + r.IntN(3) {
			w.mutate(r, files)
		}
		// From the middle of its start to some way into the work.
		time.Sleep(time.Duration(100+r.IntN(2000)) * time.Millisecond)
		w.crash()
		w.agent = w.spawn()
	}
	w.crash()
	w.up()
	eventuallyIn(t, 60*time.Second, "the host is as the files say", func() error { return w.matches(files) })
	steadily(t, time.Second, "the host stays so", func() error { return w.matches(files) })
	if got := doubles(); len(got) > 0 {
		t.Errorf("tasks ran twice: %v", got)
	}
	eventually(t, "only the images in use are left", func() error { return w.onlyImages(w.refs(files)...) })
	for name := range files {
		w.take(name + ".hcl")
	}
	eventually(t, "nothing is left", func() error {
		if left := w.boxes(); len(left) > 0 {
			return errors.New(brief(left))
		}
		return w.onlyImages()
	})
	w.stop()
	if c := w.bolt("check", w.state()); c.code != 0 {
		t.Errorf("bbolt check: %s%s", c.out, c.err)
	}
}

// mutate changes one file, as a person might.
func (w *world) mutate(r *rand.Rand, files map[string]*wanted) {
	w.t.Helper()
	name := fmt.Sprintf("job%d", r.IntN(5))
	f, ok := files[name]
	switch {
	case ok && r.IntN(4) == 0:
		delete(files, name)
		w.take(name + ".hcl")
		return
	case !ok:
		f = &wanted{spec: spec{Job: name, Count: 1}}
		if r.IntN(2) == 0 {
			f.Config = "        network_mode = \"none\"\n"
		}
		if r.IntN(4) == 0 { // it dies by SIGKILL alone
			f.Env, f.Task = "        WEB_IGNORE_TERM = \"true\"\n", "      kill_timeout = \"1s\"\n"
		}
		files[name] = f
	}
	f.Text = fmt.Sprint(r.IntN(1000))
	f.Count = 1 + r.IntN(2)
	f.version = r.IntN(3)
	f.Image, _ = w.images.push(fmt.Sprintf("%s:%d", name, f.version), variant(name, f.version))
	w.drop(name+".hcl", f.String())
}

// variant is what a version of a job's image has in its environment. No two
// jobs share an image: it would stay for the sake of the other.
func variant(name string, version int) string { return fmt.Sprintf("%s-v%d", name, version) }

func (w *world) refs(files map[string]*wanted) []string {
	var out []string
	for _, f := range files {
		out = append(out, f.Image)
	}
	return out
}

// matches demands exactly the containers that the files ask for, all running,
// and made as the files say.
func (w *world) matches(files map[string]*wanted) error {
	w.t.Helper()
	type place struct {
		job   string
		index int
	}
	missing := map[place]bool{}
	for name, f := range files {
		for i := range f.Count {
			missing[place{name, i}] = true
		}
	}
	var wrong []string
	for _, b := range w.boxes() {
		at := place{b.Who.Job, b.Who.AllocIndex}
		switch f := files[at.job]; {
		case !missing[at] || b.State != "running":
			wrong = append(wrong, brief([]box{b}))
		case !w.madeAs(b, f):
			wrong = append(wrong, "outdated: "+brief([]box{b}))
		}
		delete(missing, at)
	}
	for at := range missing {
		wrong = append(wrong, fmt.Sprintf("missing: %s index %d", at.job, at.index))
	}
	if len(wrong) > 0 {
		slices.Sort(wrong)
		return errors.New(strings.Join(wrong, "\n\t"))
	}
	return nil
}

// madeAs reports whether a container has the text and the image of the file.
func (w *world) madeAs(b box, f *wanted) bool {
	w.t.Helper()
	ctx, cancel := w.ctx()
	defer cancel()
	in, err := w.cli.ContainerInspect(ctx, b.ID)
	return err == nil && slices.Contains(in.Config.Env, "WEB_TEXT="+f.Text) &&
		slices.Contains(in.Config.Env, "VERSION="+variant(f.Job, f.version))
}

// watchDoubles looks all the time for tasks of one allocation that run twice,
// and for more than an allocation and its successor at one index. The function
// that it returns ends it and says what it saw.
func (w *world) watchDoubles() func() []string {
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.t.Context()))
	mine := filters.NewArgs(filters.Arg("label", job.LabelNodeID+"="+w.nodeID()))
	seen := map[string]bool{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			list, err := w.cli.ContainerList(ctx, container.ListOptions{Filters: mine})
			if err != nil {
				continue
			}
			tasks, places := map[string]int{}, map[string]int{}
			for _, c := range list {
				l := c.Labels
				task := l[job.LabelJob] + " " + l[job.LabelAllocID]
				place := l[job.LabelJob] + " index " + l[job.LabelAllocIndex]
				if tasks[task]++; tasks[task] > 1 {
					seen[task] = true
				}
				if places[place]++; places[place] > 2 {
					seen[place] = true
				}
			}
			time.Sleep(30 * time.Millisecond)
		}
	}()
	var once sync.Once
	end := func() { once.Do(func() { cancel(); <-done }) }
	w.t.Cleanup(end)
	return func() []string {
		end()
		out := make([]string, 0, len(seen))
		for s := range seen {
			out = append(out, s)
		}
		slices.Sort(out)
		return out
	}
}
