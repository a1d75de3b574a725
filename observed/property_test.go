package observed

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// TestLaw_OrderFree: whatever happens to events and answers (lost, doubled,
// late and so out of order, slow answers, failed lists, cut streams), once
// that is over the next list brings the cache to what the engine has.
func TestLaw_OrderFree(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		rapid.SyncTest(rt, func(rt *rapid.T) {
			f := newFake()
			rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0)) // used under the engine's lock
			f.deliver = func() []time.Duration { return faultyDelivery(rng) }
			if rapid.Bool().Draw(rt, "slow") {
				f.slow = func() time.Duration { return time.Duration(rand.IntN(30)) * time.Millisecond }
			}
			r := newRig(f)
			ctx, cancel := context.WithCancel(rt.Context())
			done := make(chan error, 1)
			go func() { done <- r.Run(ctx) }()
			names := 0
			for range rapid.IntRange(5, 40).Draw(rt, "steps") {
				act(rt, r, &names)
				after(time.Duration(rapid.IntRange(0, 5000).Draw(rt, "pause")) * time.Millisecond)
			}
			f.with(func() {
				f.deliver, f.slow, f.listErr, f.down = nil, nil, nil, false
			})
			// A list with all inspects, and the way back from a gap.
			after(inspectEvery + 2*relistEvery + lateEvent + 2*backoffMax)
			r.follows(rt)
			r.settled(rt)
			cancel()
			if err := <-done; err != nil {
				rt.Errorf("the end of the cache: %v", err)
			}
			synctest.Wait()
		})
	})
}

// faultyDelivery loses, doubles and delays.
func faultyDelivery(rng *rand.Rand) []time.Duration {
	late := func() time.Duration { return time.Duration(rng.IntN(4000)) * time.Millisecond }
	switch rng.IntN(5) {
	case 0:
		return nil
	case 1:
		return []time.Duration{0, 0}
	case 2:
		return []time.Duration{late(), late()}
	case 3:
		return []time.Duration{late()}
	}
	return []time.Duration{0}
}

// act does one thing to the engine, or to what lies between it and us.
func act(rt *rapid.T, r *rig, names *int) {
	f := r.engine
	var ids []string
	for _, c := range truth(f) {
		ids = append(ids, c.ID)
	}
	op := rapid.SampledFrom([]string{
		"create", "create", "start", "start", "die", "restart", "rename", "remove", "remove",
		"refresh", "cut", "list fails", "list works", "down", "up",
	}).Draw(rt, "op")
	if op == "create" || len(ids) == 0 {
		*names++
		var labels map[string]string
		if rapid.Bool().Draw(rt, "ours") {
			labels = ours(fmt.Sprintf("job%d", *names%3), *names)
		}
		f.create(fmt.Sprintf("c%d", *names), labels)
		return
	}
	id := rapid.SampledFrom(ids).Draw(rt, "id")
	switch op {
	case "start":
		f.start(id)
	case "die":
		f.die(id, rapid.IntRange(0, 255).Draw(rt, "code"))
	case "restart":
		f.die(id, 0)
		f.start(id)
	case "rename":
		*names++
		f.rename(id, fmt.Sprintf("r%d", *names))
	case "remove":
		f.remove(id)
	case "refresh":
		_ = r.Refresh(context.Background(), id)
	case "cut":
		f.with(f.cutStreams)
	case "list fails":
		f.with(func() { f.listErr = errors.New("boom") })
	case "list works":
		f.with(func() { f.listErr = nil })
	case "down":
		f.stop()
	case "up":
		f.with(func() { f.down = false })
	}
}

// TestOlderNeverWins puts the answers of requests in any order: what stands
// at the end of each container is what the request that began last told.
func TestOlderNeverWins(t *testing.T) {
	type answer struct {
		ticket ticket
		id     string
		gone   bool
	}
	rapid.Check(t, func(rt *rapid.T) {
		tbl := newTable()
		var open []answer
		last := map[string]answer{} // of those that were answered
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			if len(open) == 0 || rapid.Bool().Draw(rt, "begin") {
				open = append(open, answer{
					ticket: tbl.begin(time.Time{}),
					id:     rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "id"),
					gone:   rapid.Bool().Draw(rt, "gone"),
				})
				continue
			}
			i := rapid.IntRange(0, len(open)-1).Draw(rt, "which")
			a := open[i]
			open = append(open[:i], open[i+1:]...)
			if a.gone {
				tbl.remove(a.ticket, a.id)
			} else {
				tbl.put(a.ticket, entry{Container: Container{ID: a.id, ExitCode: int(a.ticket.seq)}})
			}
			tbl.end(a.ticket)
			if a.ticket.seq > last[a.id].ticket.seq {
				last[a.id] = a
			}
			for id, want := range last {
				e, ok := tbl.entries[id]
				if ok == want.gone || ok && e.ExitCode != int(want.ticket.seq) {
					rt.Fatalf("%s: %+v (there: %v), the newest answer is %+v", id, e, ok, want)
				}
			}
		}
		for _, a := range open {
			tbl.end(a.ticket)
		}
		if len(tbl.gone) != 0 || len(tbl.flying) != 0 {
			rt.Fatalf("with no request on its way %d removed ones and %d requests are remembered", len(tbl.gone), len(tbl.flying))
		}
	})
}

// TestQueueLosesNothing: every key that was added is worked on after its last
// add, by one worker at a time.
func TestQueueLosesNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		rapid.SyncTest(rt, func(rt *rapid.T) {
			q := newQueue()
			ctx, cancel := context.WithCancel(rt.Context())
			type span struct{ begin, end time.Time }
			seen := make(chan struct {
				key string
				span
			}, 1000)
			for range 3 {
				go q.work(ctx, func(_ context.Context, key string) {
					s := span{begin: time.Now()}
					time.Sleep(7 * time.Millisecond)
					s.end = time.Now()
					seen <- struct {
						key string
						span
					}{key, s}
				})
			}
			added := map[string]time.Time{}
			for range rapid.IntRange(1, 50).Draw(rt, "adds") {
				key := rapid.SampledFrom([]string{"a", "b", "c", "d", "e"}).Draw(rt, "key")
				added[key] = time.Now()
				q.add(key)
				after(time.Duration(rapid.IntRange(0, 10).Draw(rt, "pause")) * time.Millisecond)
			}
			after(time.Second)
			cancel()
			synctest.Wait()
			close(seen)
			lastOf := map[string]span{}
			for s := range seen {
				if s.begin.Before(lastOf[s.key].end) {
					rt.Errorf("%s was worked on twice at a time", s.key)
				}
				lastOf[s.key] = s.span
			}
			for key, at := range added {
				if lastOf[key].begin.Before(at) {
					rt.Errorf("%s was added and not worked on afterwards", key)
				}
			}
			if n := len(q.keys()); n != 0 {
				rt.Errorf("%d keys are left", n)
			}
		})
	})
}
