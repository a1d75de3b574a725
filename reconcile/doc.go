// Package reconcile converges the host to the jobs in the store, with two
// controllers, because the two questions differ:
//
//	jobs    key: job name   Which allocations should exist?           PlanJob
//	allocs  key: alloc id   What is this allocation's next step?      PlanAlloc
//
// Both are level-triggered. A hint (a change of a record, of a container, a
// timer) only puts a key on a queue that removes duplicates and never gives
// one key to two workers. The worker reads everything anew, asks a pure
// function for a plan, carries it out, and returns. What time alone will
// change comes back from the plan as a time to look again.
//
// The jobs controller writes store.Deployments and store.AllocSpecs and
// reserves ports; it never touches Docker. The allocs controller writes
// store.AllocStatuses and acts on containers; nothing slow holds one of its
// workers: images are brought beside the queue, and a stop is a signal, a
// record and a wake-up.
//
// While dockerd is away nothing is planned at all: what cannot be seen is
// unknown, never dead.
package reconcile
