package host

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
)

// ErrClaimed says that another agent with the same node id works on the
// engine.
var ErrClaimed = errors.New("another agent with this node id works on this engine")

// maxSocketName is what fits into sockaddr_un (108 bytes) behind the zero byte
// that makes a socket abstract.
const maxSocketName = 107

// ClaimEngine makes sure that no second agent with our node id works on the
// engine: it holds the abstract socket @reconciler/ENGINE/NODE, which goes
// with the process however that ends. The error is ErrClaimed if somebody has
// it. Closing gives it back.
func ClaimEngine(ctx context.Context, engineID, nodeID string) (io.Closer, error) {
	name := claimName(engineID, nodeID)
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "unix", "@"+name)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("socket @%s: %w", name, ErrClaimed)
	}
	if err != nil {
		return nil, fmt.Errorf("socket @%s: %w", name, err)
	}
	return l, nil
}

// claimName hashes ids that are too long for a socket's name.
func claimName(engineID, nodeID string) string {
	const prefix = "reconciler/"
	name := prefix + engineID + "/" + nodeID
	if len(name) <= maxSocketName {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return prefix + hex.EncodeToString(sum[:])
}
