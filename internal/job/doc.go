// Package job is the vocabulary of the house: what a manifest asks for (Job,
// Group, Task), what exists because of it (Alloc), how a container says whose
// it is (Identity), and how status is told (Condition, Kind).
//
// The package is pure: standard library only, no clock, no I/O. Every value
// is treated as immutable once it has been handed to another package; who
// wants to change one makes a copy.
//
// A decoded Job carries effective values: defaults are filled in by the
// decoder, so that readers need no second table of defaults. SpecHash takes
// them out again, so that writing a default into a manifest, or learning a new
// field, changes no hash.
package job
