// Command demo shows the main job of reconciler on the dockerd of this
// machine, as `make demo` runs it: it drives the built binary as a person does,
// by its CLI, its files and Docker, and prints each step with the time it took.
//
//	demo setup [-tests] [-require]   see that dockerd (and a C compiler) are there; install them on Debian as root
//	demo run                         show it; KEEP=1 leaves the agent running
//	demo clean DIR                   end what KEEP=1 left
//
// A step that does not come true ends the demo with exit code 1 and the
// agent's log. What the demo made (one temporary directory, its containers by
// their node id, one image by its reference) is removed in any case; nothing
// else on the machine is touched.
package main
