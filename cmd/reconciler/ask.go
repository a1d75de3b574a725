package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"reconciler/internal/control"
)

// newAskCommands returns the verbs by which an operator asks something of one
// job. All of them need a running agent, which keeps what was asked.
func newAskCommands(o *options) []*cobra.Command {
	pull := false
	restart := newAskCommand(o, "restart JOB", "Replace every allocation of a job, as after an edit",
		`Replace every allocation of a job by a new one, under its update block, as if its
containers had been edited: where both may run at once the new one takes over
before the old one stops, else the old one stops first. With --pull the registry
is asked for the image, even if it is here.`,
		"restarting", func() control.Request {
			if pull {
				return control.RequestRestartPull
			}
			return control.RequestRestart
		})
	restart.Flags().BoolVar(&pull, "pull", false, "ask the registry for the image")
	return []*cobra.Command{
		newAskCommand(o, "hold JOB", "Leave a job alone until it is released",
			`Nothing is done to the containers of the job until "reconciler release": none is
started, stopped, replaced or mended. A hold outlasts a restart of the agent.`,
			"holding", fixed(control.RequestHold)),
		newAskCommand(o, "release JOB", "End a hold", "What was edited or died meanwhile is acted on.",
			"released", fixed(control.RequestRelease)),
		newAskCommand(o, "retry JOB", "Try again now what failed",
			"Forget the failures and crashes of a job, and try at once what waits for its next try.",
			"retrying", fixed(control.RequestRetry)),
		restart,
	}
}

func fixed(r control.Request) func() control.Request { return func() control.Request { return r } }

func newAskCommand(o *options, use, short, long, done string, request func() control.Request) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Long: long,
		Args: takes(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := o.load(cmd)
			if err != nil {
				return err
			}
			if err := control.NewClient(cfg.DataDir).Ask(cmd.Context(), args[0], request()); err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), done, args[0])
			return err
		},
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			return completeJobs(o, cmd, args), cobra.ShellCompDirectiveNoFileComp
		},
	}
}
