package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"reconciler/internal/control"
	"reconciler/store"
)

func newServicesCommand(o *options) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "services [NAME]",
		Short: "Show where the services are, and whether they are healthy",
		Long: `Show the instances of all services, or of one: address, health, and the
allocation behind it. HEALTH is the worst of an instance's checks. The running
agent is asked; if none answers, the state file is read, and the output says how
old it is (with --json on stderr).

With --json the output is an array of objects, sorted by name and allocation:
name, job, group, task, alloc, address, port, tags, health, since. What is empty
may be left out.`,
		Args: takes(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := o.load(cmd)
			if err != nil {
				return err
			}
			list, note, err := readServices(cmd.Context(), cfg.DataDir)
			if err != nil {
				return err
			}
			if len(args) == 1 {
				if list = named(list, args[0]); len(list) == 0 {
					return fmt.Errorf("no service is called %q; 'reconciler services' lists all", args[0])
				}
			}
			if asJSON {
				return printServicesJSON(cmd.OutOrStdout(), cmd.ErrOrStderr(), list, note)
			}
			return printServices(cmd.OutOrStdout(), list, note)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		return completeServices(o, cmd, args), cobra.ShellCompDirectiveNoFileComp
	}
	return cmd
}

// readServices asks the agent, and reads the file if none answers; note says
// so then.
func readServices(ctx context.Context, dir string) (list []store.ServiceRecord, note string, err error) {
	list, err = control.NewClient(dir).Services(ctx)
	if err == nil || !errors.Is(err, control.ErrNoAgent) {
		return list, "", err
	}
	st, at, err := readFile(dir)
	if err != nil {
		return nil, "", err
	}
	return control.Services(st), control.FromFile(st.Dir(), at, time.Now()), nil
}

func named(list []store.ServiceRecord, name string) []store.ServiceRecord {
	return slices.DeleteFunc(list, func(s store.ServiceRecord) bool { return s.Name != name })
}

func printServices(w io.Writer, list []store.ServiceRecord, note string) error {
	if note != "" {
		if _, err := fmt.Fprint(w, note+"\n\n"); err != nil {
			return err
		}
	}
	return control.RenderServices(w, list, time.Now())
}

func printServicesJSON(w, stderr io.Writer, list []store.ServiceRecord, note string) error {
	if note != "" {
		if _, err := fmt.Fprintln(stderr, "reconciler: "+note); err != nil {
			return err
		}
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(list)
}

func completeServices(o *options, cmd *cobra.Command, args []string) []string {
	if len(args) > 0 {
		return nil
	}
	cfg, err := o.load(cmd)
	if err != nil {
		return nil
	}
	list, _, err := readServices(cmd.Context(), cfg.DataDir)
	if err != nil {
		return nil
	}
	var names []string
	for _, s := range list {
		names = append(names, s.Name)
	}
	return slices.Compact(names)
}
