package check

import (
	"context"
	"fmt"

	"reconciler/internal/job"
)

// The exit code of a script that warns; 0 passes, all others fail.
const exitWarning = 1

func lookScript(ctx context.Context, exec Execer, t job.CheckTarget) result {
	cmd := append([]string{t.Check.Command}, t.Check.Args...)
	res, err := exec.Exec(ctx, t.Container, cmd)
	switch {
	case err != nil:
		return result{output: err.Error()}
	case res.Running && late(ctx):
		return failed("not ended within %s: %s", patience(t), res.Output)
	case res.Running && ctx.Err() != nil:
		return result{output: "given up"}
	case res.Running:
		return failed("the command runs on, from this look or an earlier one")
	}
	out := fmt.Sprintf("exit %d", res.Code)
	if res.Output != "" {
		out += ": " + res.Output
	}
	switch res.Code {
	case 0:
		return result{job.CheckPassing, out}
	case exitWarning:
		return result{job.CheckWarning, out}
	}
	return result{job.CheckCritical, out}
}
