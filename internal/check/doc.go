// Package check runs the health checks of allocations: http and tcp from this
// host, scripts inside the container. It says where each check stands; what
// follows from that is decided elsewhere.
//
// # What it owns
//
//   - Runner, which keeps one goroutine for each check, and all of its
//     goroutines inside Run.
//   - The rule that makes a state out of looks (tally) and the times of the
//     looks (schedule.go); both are pure.
//   - The three ways to look: http.go, tcp.go, script.go.
//
// # What it promises
//
//   - One look at a time for each check, each bounded by the check's timeout.
//     Looks begin an interval apart, or one right after the other where a look
//     takes longer than that. The first comes within FirstLook.
//   - A check that hangs holds up itself alone. See slots for the bound on what
//     happens at the same time.
//   - A look that could not be made is no result: if the engine does not answer
//     a script check, or the container is gone, the state stays as it is. An
//     engine that is away is never "critical".
//   - A state changes with its status and not with each look; its output is one
//     line of printable text, at most job.MaxCheckOutput bytes, without the
//     headers of the request.
//   - Memory grows with the number of checks, never with that of looks.
//
// # Results
//
// A look of type http passes with a status of 2xx, warns with 429 and fails
// with all else. Redirects are followed, as Consul does, but only to the
// check's own address: a health check that leaves its instance says nothing
// about it, and a container must not send the agent, with the headers of its
// check, to wherever it likes. A redirect to elsewhere counts by its own
// status, so it fails. With a Host header the server is asked for, and must
// have a certificate for, that name.
//
// A look of type tcp passes with a connection. A script passes with exit code
// 0, warns with 1 and fails with all else, and also if it does not end in time.
//
// A check becomes passing (or warning) from pending or critical after
// success_before_passing looks in a row that did not fail, and critical from
// any state after failures_before_critical failures in a row. That holds from
// pending as well: what starts slowly is pending, and not critical, until then.
//
// # Caveats
//
// The engine cannot end a command that runs in a container: a script that is
// given up runs on. It is not begun a second time while it does (see
// job.ExecResult). To find out whether a script or the engine takes long, the
// executor may need a moment more than the timeout.
package check
