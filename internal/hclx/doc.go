// Package hclx reads HCL text that nobody has vetted: manifests and the
// agent's own config.
//
// Parse is the one way in. It looks at the tokens before the parser does,
// because hcl/v2 dies of a stack overflow, which nothing can catch, on deep
// nesting or long chains of operators, and takes hundreds of megabytes on
// less. What passes goes to hcl/v2. Only a file that fails there is rewritten
// by the normaliser, which knows the HCL 1 forms that people still have, and
// parsed once more. Every rewrite keeps the length of the text, and the syntax
// tree gets its true names back afterwards, so that positions and names are
// those of the file.
//
// The package also says "did you mean" (Suggest) and prints diagnostics the
// way compilers do (Format, Snippet). It knows nothing about any block or
// option, and it evaluates nothing.
//
// The package is pure: no I/O, no clock, no state.
package hclx
