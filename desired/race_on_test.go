//go:build race

package desired

// parseSlowdown is how much longer the race detector lets things take.
const parseSlowdown = 15
