package docker

import (
	"context"
	"flag"
	"io"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/sirupsen/logrus"
	"go.uber.org/goleak"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// quietLog is a log for engines under test.
func quietLog() logrus.FieldLogger {
	l := logrus.New()
	l.SetOutput(io.Discard)
	return l
}

// memory is a Provenance without a file.
type memory struct {
	mu      sync.Mutex
	intents map[string]string
	ours    map[string][]string // image id -> references
	sources map[string]string   // by image id, as of the last Done
	sizes   map[string]int64
	refuse  error // what Intend answers
	trace   []string
}

func newMemory() *memory {
	return &memory{intents: map[string]string{}, ours: map[string][]string{}, sources: map[string]string{}, sizes: map[string]int64{}}
}

func (p *memory) Intend(_ context.Context, ref, source string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.intents[ref] = source
	p.trace = append(p.trace, "intend "+ref)
	return p.refuse // noted all the same, and not committed
}

func (p *memory) Done(ref, source, id string, ours bool, size int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if intended, ok := p.intents[ref]; ok {
		source = intended
	}
	delete(p.intents, ref)
	p.trace = append(p.trace, "done "+ref+" "+id)
	if ours {
		p.sources[id], p.sizes[id] = source, size
		if !slices.Contains(p.ours[id], ref) {
			p.ours[id] = append(p.ours[id], ref)
		}
	}
}

func (p *memory) Known(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.ours[id]) > 0
}

func (p *memory) Intended(ref string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.intents[ref]
	return ok
}

func (p *memory) openIntents() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Sorted(maps.Keys(p.intents))
}

func (p *memory) idsOurs() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Sorted(maps.Keys(p.ours))
}
