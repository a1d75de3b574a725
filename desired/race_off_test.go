//go:build !race

package desired

const (
	parseSlowdown = 1
	parseTries    = 3
)
