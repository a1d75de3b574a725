// Package config reads the agent's own configuration: one HCL file, in the
// form of HCL 1 or HCL 2, whose client { options { } } block is that of the
// Docker driver's page.
//
// It is strict. An unknown name, a wrong type and a text that cannot be read
// are errors with their place in the file and what was expected; a typo never
// silently means a default. What the file does not name is at its default: no
// client block, an empty one and part of one give the same for the rest.
//
// Load reads and checks the file, cmd lets flags override single fields, and
// Validate then checks the result as a whole. Warnings is asked last, because
// a flag may have taken away their cause. Nothing is looked up on the host,
// but for its name: whether a directory, an interface or a certificate is
// there is the business of who uses it.
package config
