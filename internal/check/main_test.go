package check

import (
	"context"
	"io"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"
	"go.uber.org/goleak"

	"reconciler/internal/job"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func quietLog() logrus.FieldLogger {
	l := logrus.New()
	l.SetOutput(io.Discard)
	return l
}

// glance is one look that a rig has seen.
type glance struct {
	at   time.Duration // since the rig was made
	key  string
	port int // of the target; tests tell targets apart by it
}

// rig is a Runner in a bubble whose looks are answered by the test.
type rig struct {
	*Runner
	t     *testing.T
	began time.Time
	stop  func()

	mu      sync.Mutex
	answer  func(ctx context.Context, t job.CheckTarget) result
	glances []glance
	now     map[string]int // looks under way, by key
	total   int            // looks under way
	most    int
	changes []string
}

// inBubble runs a test with a rig that does not run yet.
func inBubble(t *testing.T, test func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{
			Runner: New(nil, quietLog()), t: t, began: time.Now(), now: map[string]int{},
			answer: func(context.Context, job.CheckTarget) result { return result{job.CheckPassing, "fine"} },
		}
		r.look = r.onLook
		r.OnChange(func(id string) {
			_ = r.States(id) // must not be called with the lock held
			r.mu.Lock()
			defer r.mu.Unlock()
			r.changes = append(r.changes, id)
		})
		test(t, r)
		if r.stop != nil {
			r.stop()
		}
	})
}

// run starts the Runner; it ends with the test, or with stop.
func (r *rig) run() {
	ctx, cancel := context.WithCancel(r.t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			r.t.Errorf("Run: %v", err)
		}
		r.Runner.mu.Lock()
		defer r.Runner.mu.Unlock()
		if len(r.running) > 0 {
			r.t.Errorf("%d watches are noted as running after Run", len(r.running))
		}
	})
}

func (r *rig) onLook(ctx context.Context, t job.CheckTarget) result {
	r.mu.Lock()
	r.glances = append(r.glances, glance{time.Since(r.began), t.Key, t.Port})
	r.now[t.Key]++
	r.total++
	r.most = max(r.most, r.total)
	if r.now[t.Key] > 1 {
		r.t.Errorf("two looks at %s at once", t.Key)
	}
	answer := r.answer
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.now[t.Key]--
		r.total--
	}()
	return answer(ctx, t)
}

func (r *rig) setAnswer(f func(ctx context.Context, t job.CheckTarget) result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = f
}

func (r *rig) say(s job.CheckStatus) {
	r.setAnswer(func(context.Context, job.CheckTarget) result { return result{s, string(s)} })
}

// looks are the times of the looks at a check.
func (r *rig) looks(key string) []time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []time.Duration
	for _, g := range r.glances {
		if g.key == key {
			out = append(out, g.at)
		}
	}
	return out
}

func (r *rig) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// is fails unless the check of allocation a stands so.
func (r *rig) is(key string, want job.CheckStatus) job.CheckState {
	r.t.Helper()
	s := r.States("a")[key]
	if s.Status != want {
		r.t.Errorf("%s is %q, want %q", key, s.Status, want)
	}
	return s
}

// target is a check of 10 s with a timeout of 2 s, in container c1.
func target(key string, change func(t *job.CheckTarget)) job.CheckTarget {
	t := job.CheckTarget{Key: key, Address: "127.0.0.1", Port: 80, Container: "c1", Check: job.Check{
		Type: job.CheckTCP, Interval: job.Duration(10 * time.Second), Timeout: job.Duration(2 * time.Second),
	}}
	if change != nil {
		change(&t)
	}
	return t
}

func hang(ctx context.Context, _ job.CheckTarget) result {
	<-ctx.Done()
	return failed("too late")
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
