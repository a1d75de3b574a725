// Package desired knows what should run: it reads manifests and watches the
// directory they lie in.
//
// The language half turns the text of one file into jobs. Parse is pure: it
// reads no other file, no clock and no environment, and equal text gives equal
// jobs and problems. It goes all the way or not at all: a file with one error
// gives no job, because half of a file is not what its author wrote. Errors
// say where, what was expected and what to do. Defaults are filled in, so that
// a job.Job holds effective values.
//
// What a string holds as ${...} is resolved in two steps. var., local. and
// functions are resolved here, and one that cannot be is an error. Every other
// name is a runtime name: it stays in the string for internal/taskenv, which
// resolves it when a container is made. So does $${, which means a plain ${.
// Only in a constraint must it be known, and be a name of the host.
//
// The directory half decides what a file that changed, broke or vanished means
// for the jobs that run: it keeps the last good spec of each job, waits before
// it believes a deletion, and holds a deletion that looks like an accident.
//
// Passwords for registries stay in this package, in memory and beside the
// specs, which are stored. Watcher.Auth hands them out.
package desired
