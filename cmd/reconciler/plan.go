package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"reconciler/desired"
	"reconciler/internal/config"
	"reconciler/internal/control"
	"reconciler/internal/docker"
	"reconciler/internal/host"
	"reconciler/internal/job"
	"reconciler/observed"
	"reconciler/reconcile"
	"reconciler/store"
)

// exitSomething is the exit code of a plan that has something to do.
const exitSomething = 2

// planWait is how long a plan waits for dockerd's first answer.
const planWait = 15 * time.Second

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
		Args: cobra.NoArgs,
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
				steps, err = computePlan(cmd.Context(), cfg)
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

// computePlan is what an agent would plan that was started now. It works on
// copies in memory, and its client refuses to write.
func computePlan(ctx context.Context, cfg config.Config) ([]job.Forecast, error) {
	st, _, err := store.Read(cfg.DataDir)
	if errors.Is(err, fs.ErrNotExist) {
		st, err = store.Memory(cfg.DataDir), nil
	}
	if err != nil {
		return nil, err
	}
	api, err := docker.NewReadOnlyClient(clientConfig(cfg))
	if err != nil {
		return nil, err
	}
	defer func() { _ = api.Close() }() // a dry run: nothing is lost
	addr, err := host.Address(cfg.Client.NetworkIP, cfg.Client.NetworkInterface)
	if err != nil {
		return nil, err
	}
	log := logrus.New()
	log.SetOutput(io.Discard)
	cache := observed.New(api, st.NodeID(), st, log)
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = cache.Run(ctx) // nil by contract; what it saw tells the rest
	}()
	defer func() {
		cancel()
		<-done
	}()
	if err := awaitList(ctx, cache); err != nil {
		return nil, err
	}
	err = desired.Preview(desired.Config{Dir: cfg.ManifestDir, Grace: cfg.DeleteGrace, AllowMassDeletion: cfg.AllowMassDeletion}, st, runningJobs{cache})
	if err != nil {
		return nil, err
	}
	controller := reconcile.New(reconcile.Config{
		Node: newNodeInfo(cfg, st.NodeID(), addr, cache).get, Store: st, Observe: cache,
		Ports: host.NewPorts(portOptions(cfg, addr), publishedPorts{cache}.list), Log: log,
	})
	return controller.Forecast()
}

func awaitList(ctx context.Context, cache *observed.Cache) error {
	select {
	case <-cache.Attempted():
	case <-time.After(planWait):
	case <-ctx.Done():
		return ctx.Err()
	}
	if !cache.Synced() {
		return fmt.Errorf("%w: %s", reconcile.ErrBlind, cache.Status().Problem)
	}
	return nil
}
