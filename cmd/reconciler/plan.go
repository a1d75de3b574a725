package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"reconciler/internal/agent"
	"reconciler/internal/control"
	"reconciler/internal/job"
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
is changed. A job that in the end waits for something that the agent does not do
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
			steps, err := control.NewClient(cfg.DataDir).Plan(cmd.Context())
			if errors.Is(err, control.ErrNoAgent) {
				steps, err = agent.Forecast(cmd.Context(), agent.Options{Config: cfg})
			}
			if err != nil {
				return err
			}
			return printPlan(cmd.OutOrStdout(), steps, asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	f.registerPlan(cmd)
	return cmd
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
