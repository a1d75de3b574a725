//go:build race

package desired

const (
	// parseSlowdown is how much longer the race detector lets things take.
	parseSlowdown = 15
	parseTries    = 1 // it is slow, and the limit is wide
)
