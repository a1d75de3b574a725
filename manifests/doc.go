// Package manifests holds example specs that a person can copy into the
// manifest directory. It has no code; its test reads every example as the
// agent does, and one of internal/e2e runs each on a real engine.
package manifests
