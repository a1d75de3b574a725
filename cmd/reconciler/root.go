package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"reconciler/internal/config"
)

// options are the flags that every verb takes, and those of the agent.
type options struct {
	configPath string
	dataDir    string
}

// NewRootCommand returns the command line with all its verbs.
func NewRootCommand() *cobra.Command {
	o := &options{}
	root := &cobra.Command{
		Use:   "reconciler",
		Short: "Run containers on this host from files",
		Long: `reconciler keeps the Docker engine of this host at what the HCL manifests in
a directory say: drop a file in and the container runs, edit it and the
container changes, delete it and the container goes.`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return noVerb(cmd, args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w; see '%s --help'", err, cmd.CommandPath())
	})
	f := root.PersistentFlags()
	f.StringVar(&o.configPath, "config", "", "agent configuration file (default "+config.DefaultPath+", if it is there)")
	f.StringVar(&o.dataDir, "data-dir", "", "directory of the state file, the control socket and the allocations (default "+config.Default().DataDir+")")
	root.AddCommand(
		newAgentCommand(o),
		newValidateCommand(o),
		newPlanCommand(o),
		newStatusCommand(o),
		newServicesCommand(o),
		newConfirmCommand(o),
		newVersionCommand(),
	)
	root.AddCommand(newAskCommands(o)...)
	return root
}

// load reads the agent's configuration, and sets the data directory if the
// flag gives one.
func (o *options) load(cmd *cobra.Command) (config.Config, error) {
	path, must := config.DefaultPath, false
	if cmd.Flags().Changed("config") {
		path, must = o.configPath, true
	}
	cfg, err := config.Load(path, must)
	if err != nil {
		return config.Config{}, err
	}
	if cmd.Flags().Changed("data-dir") {
		cfg.DataDir = o.dataDir
	}
	return cfg, nil
}
