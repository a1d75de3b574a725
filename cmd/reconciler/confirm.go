package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"reconciler/internal/control"
)

func newConfirmCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "confirm-deletions",
		Short: "Let the deletions that are held go on",
		Long: `Jobs whose deletion is held (MassDeletionHeld), and containers of ours that no
file has named (OrphanHeld), are stopped and removed.`,
		Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := o.load(cmd)
			if err != nil {
				return err
			}
			names, err := control.NewClient(cfg.DataDir).ConfirmDeletions(cmd.Context())
			if err != nil {
				return err
			}
			text := "nothing is held"
			if len(names) > 0 {
				text = "deleting " + strings.Join(names, ", ")
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), text)
			return err
		},
	}
}
