package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"reconciler/internal/host"
	"reconciler/observed"
)

// claimRetry is how often a claim is tried again that another agent holds. A
// claim ends with its process, so this is how late we take over.
const claimRetry = 2 * time.Second

// engineGate is the view of the engine that everything with a right to write
// plans on. It shows nothing until this process is known to be the only one
// with its node id on the engine: two agents on copies of one data directory
// would fight.
type engineGate struct {
	*observed.Cache
	nodeID  string
	log     logrus.FieldLogger
	opening func() // called, from Run, when nobody sees the engine yet
	opened  func() // called, from Run, when the gate has opened
	look    chan struct{}

	mu      sync.Mutex
	engine  string // that is claimed; "" is none
	claim   io.Closer
	refused error // why the last claim was not ours; nil if it was, or none was made yet
}

func newEngineGate(c *observed.Cache, nodeID string, log logrus.FieldLogger) *engineGate {
	return &engineGate{Cache: c, nodeID: nodeID, log: log, look: make(chan struct{}, 1)}
}

// Run claims the engine when it comes in sight, and a new one should the
// endpoint lead to another.
func (g *engineGate) Run(ctx context.Context) error {
	defer g.release()
	said := false
	for {
		var again <-chan time.Time
		if g.Cache.Synced() && !g.claimed() {
			err := g.take(ctx, g.Cache.Engine().ID)
			g.note(err)
			switch {
			case err == nil:
				said = false
				g.opened()
			case !said:
				said = true
				g.log.WithError(err).Error("engine not claimed: nothing is changed on it")
			}
			if err != nil {
				again = time.After(claimRetry)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-g.look:
		case <-again:
		}
	}
}

// hint takes note that dockerd came or went. It never blocks; several calls
// may lead to one look.
func (g *engineGate) hint() {
	select {
	case g.look <- struct{}{}:
	default:
	}
}

func (g *engineGate) claimed() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.engine != "" && g.engine == g.Cache.Engine().ID
}

func (g *engineGate) take(ctx context.Context, engine string) error {
	if engine == "" {
		return errors.New("the engine tells no id")
	}
	g.release()
	c, err := host.ClaimEngine(ctx, engine, g.nodeID)
	if err != nil {
		return fmt.Errorf("node id %s: %w", g.nodeID, err)
	}
	if g.opening != nil {
		g.opening()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.claim, g.engine = c, engine
	return nil
}

func (g *engineGate) note(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refused = err
}

// closed says why nothing is written to the engine, which is in sight; "" if
// the engine is ours.
func (g *engineGate) closed() string {
	if g.claimed() {
		return ""
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.refused != nil {
		return "engine not claimed: " + g.refused.Error()
	}
	return "the engine is about to be claimed"
}

func (g *engineGate) release() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.claim != nil {
		_ = g.claim.Close() // an abstract socket: nothing can be left behind
	}
	g.claim, g.engine = nil, ""
}

// Synced is the cache's, once the engine is ours to write to.
func (g *engineGate) Synced() bool { return g.Cache.Synced() && g.claimed() }

// Containers is the cache's; ok is Synced.
func (g *engineGate) Containers() ([]observed.Container, bool) {
	all, ok := g.Cache.Containers()
	return all, ok && g.claimed()
}

// Images is the cache's; ok is false before the gate opens.
func (g *engineGate) Images() ([]observed.Image, bool) {
	all, ok := g.Cache.Images()
	return all, ok && g.claimed()
}
