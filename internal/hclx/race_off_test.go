//go:build !race

package hclx_test

const slowdown = 1
