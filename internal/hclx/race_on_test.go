//go:build race

package hclx_test

// slowdown is how much longer the race detector lets things take.
const slowdown = 15
