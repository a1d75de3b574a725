// Package agent is the running program: every room, wired. It decides nothing
// and does nothing itself: it makes the rooms from the configuration, shows
// them to each other through the interfaces that each declares, starts every
// part once, and answers the control socket from all of them.
//
//	agent.go       Options, New: the rooms, and who knows whom
//	run.go         the parts that run, and the hints that go around
//	forecast.go    a plan without an agent, for `reconciler plan`
//	adapters.go    one room shown to another in its own types
//	provenance.go  the puller's and gc's memory of images, in the store
//	settings.go    the configuration, as each room takes it
//	node.go        this host, with what the engine tells of it
//	gate.go        nothing is written before the engine is claimed
//	live.go        what the control socket answers
//	notify.go      what systemd is told
//
// Command reconciler and the tests of the whole agent build the same Agent.
// What a test must have of its own is a field of Options: a client that speaks
// to an engine in memory, a clock, and no sockets, for which a bubble of
// testing/synctest cannot wait.
package agent
