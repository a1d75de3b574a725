package main

import (
	"github.com/spf13/cobra"

	"reconciler/internal/agent"
)

func newAgentCommand(o *options) *cobra.Command {
	var f agentFlags
	cmd := &cobra.Command{
		Use:   "agent",
		Short: "Run the agent",
		Long: `Run the agent in the foreground. SIGTERM ends it and leaves all containers
running; the next start finds them as they are.`,
		Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := o.load(cmd)
			if err != nil {
				return err
			}
			if err := f.override(cmd, &cfg); err != nil {
				return err
			}
			log, err := newLogger(cmd.ErrOrStderr(), cfg.LogLevel, cfg.LogFormat)
			if err != nil {
				return err
			}
			a, err := agent.New(agent.Options{Config: cfg, Version: agentVersion(), Log: log})
			if err != nil {
				return err
			}
			return a.Run(cmd.Context())
		},
	}
	f.register(cmd)
	return cmd
}
