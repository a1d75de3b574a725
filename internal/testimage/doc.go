// Package testimage makes container images for tests and the demo without any
// registry or base image: one static Go program (folder web) in an otherwise
// empty file system. It owns no state but the program that it compiles once
// per process, and it imports no Docker package: an image is a v1.Image or a
// tar archive in the form of docker save.
//
// Every image carries the label TestLabel, which its containers inherit, so
// that what a test leaves behind can be found and removed by it. Two images
// with the same Options have the same id; Options.Salt makes another one.
package testimage
