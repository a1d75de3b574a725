// Package laws holds the whole agent to its promises: the store with its file,
// the manifest watcher, the cache, both controllers, the write half, gc, the
// allocation directories and the ports, the agent of internal/agent, over the
// engine in memory of internal/dockertest, in bubbles of testing/synctest.
// Hours pass in milliseconds.
//
// It has tests only:
//
//	TestLaw01 …   one short story for each law of ARCHITECTURE.md
//	TestModel     random stories of people, processes, dockerd, faults and
//	              crashes; afterwards every law is checked by name
//	TestImage…    stories of images: whose they are, and when they go
//	TestCrash…    the agent ends between every two outside effects of a story
//	TestNoWork…   what a batch job has done is not done again
//	TestPlanIs…   what the agent does is what its plan said
//
// While all this happens a witness looks at the engine and at the agent's
// records after every event, and at each stop signal as it is sent. It holds
// them to what is true at any time: who may run beside whom, what is never
// started again, in which order things stop, how many of a job may be down, and
// which addresses stand in the file (witness_test.go, life_witness_test.go).
//
// TestModel prints a seed when it fails; -rapid.seed replays it. `make soak`
// runs it for as long as it is told.
//
// What is real here: the file system (a temporary directory), the state file,
// the test-binds of host ports (on an address of 127.0.0.0/8) and the docker
// client. What is not: inotify, whose goroutine a bubble cannot wait for, so
// that the directory is polled; file times, which lie in the far future of a
// bubble's clock, so that every look at the directory reads its files.
package laws
