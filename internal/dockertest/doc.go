// Package dockertest is a Docker engine in memory, for tests. It keeps state:
// containers, images, volumes, networks and events influence each other as
// they do on a real engine. The real docker client speaks real HTTP to it over
// net.Pipe, so that a client, or a whole agent, can live inside a bubble of
// testing/synctest, where time is virtual.
//
// It owns the double alone. What is true of the double and of a real dockerd
// alike is written down as a suite of tests in this package that runs against
// both (Engine 20.10, API 1.41); where they differ, the double is wrong.
//
// The parts:
//
//	Engine         New, Client, Close; Stop and Start are dockerd's
//	Process        what a container's process does: ends, ignores signals,
//	               cannot start, eats memory
//	Outcome        what a command does that is run in a container
//	Exit, OOM, …   what happens on a host besides the API's calls
//	Registry       what can be pulled, how slowly, and with which errors
//	Fault          what goes wrong with single HTTP calls
//	EventFault     events that are lost, doubled, late or out of order
//	Calls, Writes  what was asked
//	Front          a TLS port before an engine, in memory or real, and the
//	               Authority whose certificates it takes
//
// It promises that no goroutine of its own is left after Close, that an Engine
// opens no socket and no file, and that equal seeds and equal calls give equal ids.
//
// Caveats: there is no network traffic, no file system and no output of
// processes, but for what an Outcome says. Logs, build, commit, swarm and
// plugins are not there: such a call is answered with 404 "page not found", as
// an engine that is too old does. Error texts are those of Engine 20.10
// whatever the API version. A fault that cuts an answer after some bytes cuts
// the stream of an exec before its first.
package dockertest
