// Package house holds the rules of the house as tests: which room may import
// which and why, one package doc a package, a comment on every exported name,
// short files and functions, plans without a clock.
//
// It has no code of its own. A rule that fails prints the reason with it; a
// rule that no longer makes sense is changed here, together with
// ARCHITECTURE.md, and not worked around.
package house
