// Package e2e holds the end-to-end tests: they build the binary with the race
// detector and drive it as a person does, by its CLI, its files and Docker,
// against the dockerd of this machine. Nothing inside the agent is reached.
//
// Each test has its own manifest directory, data directory (and so its own
// node id), registry on 127.0.0.1 and images. What a test made is removed at
// its end by that node id and those image references; containers and images
// of others are never touched. Tests run side by side.
//
// Without a dockerd, and under -short, every test is skipped and says why.
package e2e
