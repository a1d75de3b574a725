// Package host knows this machine: which ports of it are taken and by whom,
// which address people reach it at, what it is made of, and that no second
// agent with our node id works on the same engine.
//
// Ports is the one owner of port reservations for all jobs, behind one mutex.
// It promises:
//
//   - No port is given to two allocations at a time, and a reservation is all
//     or nothing.
//   - What was given stays: a second Reserve of the same allocation gives the
//     same ports and tests nothing.
//   - A new port is free in three respects: in our own table, among the ports
//     that running containers publish, and for a bind on tcp and on udp.
//   - An error says who holds the port, as far as that can be known.
//
// Caveats: the test looks at the network namespace of the agent. Between the
// test and the moment when the engine publishes a port a stranger can take it;
// the engine's error then stands, and the caller tries again. The abstract
// socket of ClaimEngine is seen within one network namespace only.
package host
