// Package taskenv owns what a container is told about itself: its environment,
// and the runtime names that stand as ${…} in the strings of a task.
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
//   - $${ is turned into ${ once, at the end, and what a reference brings in is
//     not looked at again.
//
// Names that we make from keys and labels keep letters, digits, '_' and '.';
// every other character is '_' in the environment (a shell could not name it
// otherwise), so that a port "my-port" is NOMAD_PORT_my_port there. Within ${…}
// both spellings work.
//
// Caveat: ${meta.k} is the node's meta, as in Nomad. A key that the node does
// not have is taken from the meta of the task, its group or its job.
package taskenv
