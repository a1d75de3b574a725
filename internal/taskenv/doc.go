// Package taskenv owns what a container is told about itself: its environment,
// and the runtime names that stand as ${…} in the strings of a task. By the same
// names it decides whether a host meets a constraint.
//
// The package is pure: equal input gives equal output, byte for byte.
//
// It promises:
//
//   - List is exactly the environment of the container, sorted by name. The
//     task's own env wins over everything that we set; its names are kept as
//     they are written, its values are interpolated.
//   - A value may refer to other variables in any order. References that go in
//     a circle stay in the text as they are written.
//   - What is no runtime name stays in the text as it is written: ${FOO:-x} is
//     the container's business.
//   - The names are those that job.KnownRuntimeName knows: a loader, which may
//     not look in here, warns of others.
//   - Unmet has an answer for whatever strings, and says in one line what was
//     asked for and what the host has.
//   - $${ is turned into ${ once, at the end, and what a reference brings in is
//     not looked at again.
//
// Names that we make from keys and labels keep letters, digits, '_' and '.';
// every other character is '_' in the environment (a shell could not name it
// otherwise), so that a port "my-port" is NOMAD_PORT_my_port there. Within ${…}
// both spellings work.
//
// Of a version that a host has, what a distribution added is no pre-release:
// 20.10.24+dfsg1, 17.05.0-ce and 6.1.0-18-amd64 meet "> 1.2". The operator semver
// knows no such thing.
//
// Caveat: ${meta.k} is the node's meta, as in Nomad. A key that the node does
// not have is taken from the meta of the task, its group or its job.
package taskenv
