// Package control is how people and programs ask a running agent: HTTP and
// JSON over a unix socket in the data directory, mode 0600, the client for
// it, and the status model that both speak.
//
// The status is built from the store's tables, so that the same picture,
// with its age, can be drawn from the file alone when no agent answers. What
// only a running agent knows (live pulls, the engine's state) comes in as
// Live.
//
// What is served on TCP is the read-only health alone.
package control
