package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"reconciler/desired"
	"reconciler/internal/agent"
	"reconciler/internal/config"
	"reconciler/internal/control"
	"reconciler/internal/job"
	"reconciler/store"
)

// exitSomething is the exit code of a plan that has something to do.
const exitSomething = 2

func newPlanCommand(o *options) *cobra.Command {
	var asJSON bool
	var f agentFlags
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Show what would be done, and why",
		Long: `Show, in order, everything that the agent would do from here if every step
succeeds and nothing else happens. A running agent is asked; if none answers,
the plan is computed from the manifests, the state file and the engine. Nothing
is changed. A file with a problem changes nothing; such problems are printed on
standard error. A job that in the end waits for something that the agent does not do
itself, such as a port that another process has, has a line that says so and is
nothing to do. The exit code is 0 if there is nothing to do, 2 if there is
something, and 1 if it cannot be known.`,
		Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := o.load(cmd)
			if err != nil {
				return err
			}
			if err := f.override(cmd, &cfg); err != nil {
				return err
			}
			steps, problems, err := readPlan(cmd.Context(), cfg)
			if err != nil {
				return err
			}
			for _, p := range problems {
				fmt.Fprintln(cmd.ErrOrStderr(), p)
			}
			return printPlan(cmd.OutOrStdout(), steps, asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	f.registerPlan(cmd)
	return cmd
}

// readPlan asks the agent, and computes the plan if none answers; problems are
// those that keep a file from being used.
func readPlan(ctx context.Context, cfg config.Config) (steps []job.Forecast, problems []store.Problem, err error) {
	client := control.NewClient(cfg.DataDir)
	steps, err = client.Plan(ctx)
	if err == nil {
		s, err := client.Status(ctx)
		return steps, errorsOf(s.Problems), err
	}
	if !errors.Is(err, control.ErrNoAgent) {
		return nil, nil, err
	}
	if steps, err = agent.Forecast(ctx, agent.Options{Config: cfg}); err != nil {
		return nil, nil, err
	}
	files, err := desired.Validate([]string{cfg.ManifestDir})
	for _, f := range files {
		problems = append(problems, errorsOf(f.Problems)...)
	}
	return steps, problems, err
}

// errorsOf leaves the warnings out.
func errorsOf(all []store.Problem) []store.Problem {
	return slices.DeleteFunc(all, func(p store.Problem) bool { return p.Severity == store.SeverityWarning })
}

func printPlan(w io.Writer, steps []job.Forecast, asJSON bool) error {
	something := slices.ContainsFunc(steps, func(f job.Forecast) bool { return !f.Waits() })
	if asJSON {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		if err := enc.Encode(steps); err != nil {
			return err
		}
	} else {
		for _, s := range steps {
			fmt.Fprintln(w, s)
		}
		if !something {
			fmt.Fprintln(w, "nothing to do")
		}
	}
	if something {
		return exitCode(exitSomething)
	}
	return nil
}
