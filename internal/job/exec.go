package job

// ExecResult is how a command that was run in a container ended.
type ExecResult struct {
	Code   int    // exit code
	Output string // the begin of stdout and stderr as they came, bounded
	// Running says that the command had not ended when its time was over, or
	// that none was begun, since one that was given up earlier still runs. Code
	// says nothing then.
	Running bool
}
