package reconcile

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"reconciler/internal/job"
	"reconciler/observed"
	"reconciler/store"
)

// TestLaw_Converge_Chaos: whatever people, processes, dockerd and the agent
// itself did, the host reaches what the files say once that stops, and is
// quiet then. What must never happen meanwhile, the fake engine notices.
func TestLaw_Converge_Chaos(t *testing.T) {
	for seed := range uint64(16) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			live(t, func(r *rig) {
				ch := chaos{rig: r, rnd: rand.New(rand.NewPCG(seed, 7))}
				for range 25 {
					ch.happen()
				}
				ch.heal()
				r.quiet()
				if t.Failed() {
					t.Log(strings.Join(ch.log, "\n"))
				}
			})
		})
	}
}

type chaos struct {
	*rig
	rnd *rand.Rand
	log []string
}

var chaosNames = []string{"a", "b"}

func (ch *chaos) happen() {
	name := chaosNames[ch.rnd.IntN(2)]
	ops := []struct {
		what string
		do   func()
	}{
		{"edit", func() { ch.write(ch.job(name)) }},
		{"edit", func() { ch.write(ch.job(name)) }},
		{"delete", func() {
			if _, known := ch.st.Jobs.Get(name); known {
				ch.drop(name)
			}
		}},
		{"crash", func() { ch.pick(name, func(c observed.Container) { ch.exit(c.ID, 1) }) }},
		{"crash", func() { ch.pick(name, func(c observed.Container) { ch.exit(c.ID, 1) }) }},
		{"rm -f", func() { ch.pick(name, func(c observed.Container) { ch.rmf(c.ID) }) }},
		{"pause", func() {
			ch.pick(name, func(c observed.Container) { ch.change(c.ID, func(c *observed.Container) { c.State = observed.Paused }) })
		}},
		{"rename", func() {
			ch.pick(name, func(c observed.Container) { ch.change(c.ID, func(c *observed.Container) { c.Name = "x" + c.ID }) })
		}},
		{"away", func() { ch.away(); ch.after(ch.some(30)); ch.back() }},
		{"restart", func() { ch.restart() }},
		{"kill", func() { ch.kill() }},
		{"lose", func() { ch.loseAndWrite() }},
		{"fail", ch.failSome},
		{"blind", func() { ch.with(func() { ch.blind = ch.rnd.IntN(4) }) }},
		{"stubborn", func() { ch.with(func() { ch.stubborn = !ch.stubborn }) }},
		{"slow pulls", func() { ch.with(func() { ch.pullTime = ch.some(20) }) }},
	}
	op := ops[ch.rnd.IntN(len(ops))]
	ch.log = append(ch.log, op.what+" "+name)
	op.do()
	ch.after(ch.some(40))
}

// some is a time: a few milliseconds as often as many seconds.
func (ch *chaos) some(seconds int) time.Duration {
	if ch.rnd.IntN(2) == 0 {
		return time.Duration(ch.rnd.IntN(100)) * time.Millisecond
	}
	return time.Duration(ch.rnd.IntN(seconds*1000)) * time.Millisecond
}

// job asks for one of two static ports, or for none.
func (ch *chaos) job(name string) *job.Job {
	edits := []func(*job.Job){called(name), command(string(rune('a' + ch.rnd.IntN(3))))}
	switch ch.rnd.IntN(3) {
	case 0:
		edits = append(edits, count(ch.rnd.IntN(4)))
	case 1:
		edits = append(edits, count(ch.rnd.IntN(3)), dynamic)
	default:
		// Two wanted jobs never ask for one port: desired sees to it.
		port := 80
		if other, ok := ch.st.Jobs.Get(chaosNames[1-strings.Index("ab", name)]); ok && other.Deleted.IsZero() && asksFor(other.Spec, port) {
			port = 81
		}
		edits = append(edits, static(port))
	}
	return webJob(edits...)
}

func asksFor(j *job.Job, port int) bool { return j != nil && claims(j)[fmt.Sprintf("port %d", port)] }

func (ch *chaos) pick(name string, f func(observed.Container)) {
	if all := ch.running(name); len(all) > 0 {
		f(all[ch.rnd.IntN(len(all))])
	}
}

// loseAndWrite is a loss of the state after which the files are read again.
func (ch *chaos) loseAndWrite() {
	recs := ch.st.Jobs.All()
	ch.lose()
	for name, rec := range recs {
		if rec.Spec != nil {
			ch.st.Specs.Put(store.SpecKey(name, rec.Generation), store.SpecRecord{Spec: rec.Spec})
		}
		ch.st.Jobs.Put(name, rec)
	}
}

func (ch *chaos) failSome() {
	every := 2 + ch.rnd.IntN(3)
	kind := []job.Kind{job.Retried, job.WaitsForUser, job.Indeterminate}[ch.rnd.IntN(3)]
	reason := []string{"X", errNameRemoving, errImageGone}[ch.rnd.IntN(3)]
	n := 0
	ch.with(func() {
		ch.fail = func(string, observed.Container) error {
			if n++; n%every == 0 {
				return job.NewError(kind, reason, errors.New("injected"))
			}
			return nil
		}
	})
}

func (ch *chaos) heal() {
	ch.working()
	ch.with(func() { ch.blind, ch.stubborn, ch.pullTime = 0, false, 0 })
}
