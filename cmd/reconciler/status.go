package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/spf13/cobra"

	"reconciler/internal/control"
	"reconciler/store"
)

// statusFlags are the forms in which the status can be had.
type statusFlags struct {
	json   bool
	images bool
}

func newStatusCommand(o *options) *cobra.Command {
	var f statusFlags
	cmd := &cobra.Command{
		Use:   "status [JOB]",
		Short: "Show what is, and why",
		Long: `Show all jobs, or one job in full. The running agent is asked; if none answers,
the state file is read, and the output says how old it is.`,
		Args: takes(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := o.load(cmd)
			if err != nil {
				return err
			}
			s, err := readStatus(cmd.Context(), cfg.DataDir)
			if err != nil {
				return err
			}
			return f.print(cmd.OutOrStdout(), s, args)
		},
	}
	cmd.Flags().BoolVar(&f.json, "json", false, "print JSON")
	cmd.Flags().BoolVar(&f.images, "images", false, "show images, all or those of JOB: why each is kept, or when it goes")
	cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		return completeJobs(o, cmd, args), cobra.ShellCompDirectiveNoFileComp
	}
	return cmd
}

// readStatus asks the agent, and reads the file if none answers.
func readStatus(ctx context.Context, dir string) (control.Status, error) {
	s, err := control.NewClient(dir).Status(ctx)
	if err == nil || !errors.Is(err, control.ErrNoAgent) {
		return s, err
	}
	st, at, err := readFile(dir)
	if err != nil {
		return control.Status{}, err
	}
	return control.BuildFromFile(st, at), nil
}

// readFile reads the state file, since no agent answers; at is when it was
// written.
func readFile(dir string) (st *store.Store, at time.Time, err error) {
	st, at, err = store.Read(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, at, fmt.Errorf("no agent answers and there is no state file in %s; is --data-dir right?", dir)
	}
	if err != nil {
		return nil, at, fmt.Errorf("no agent answers, and its state file cannot be read: %w", err)
	}
	return st, at, nil
}

func (f statusFlags) print(w io.Writer, s control.Status, args []string) error {
	if !f.images {
		s.Images = nil
	}
	if len(args) == 1 {
		i := indexJob(s.Jobs, args[0])
		if i < 0 {
			return fmt.Errorf("no job is called %q; 'reconciler status' lists all, and the problems of files", args[0])
		}
		s.Jobs = s.Jobs[i : i+1]
		s.Problems = problemsOf(s.Problems, s.Jobs[0])
		s.Images = imagesOf(s.Images, s.Jobs[0])
	}
	now := time.Now()
	switch {
	case f.json:
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(s)
	case f.images:
		return control.RenderImages(w, s, now)
	case len(args) == 1:
		return control.RenderJob(w, s, s.Jobs[0], now)
	default:
		return control.Render(w, s, now)
	}
}

func indexJob(jobs []control.JobStatus, name string) int {
	for i := range jobs {
		if jobs[i].Name == name {
			return i
		}
	}
	return -1
}

// problemsOf keeps the problems that concern one job.
func problemsOf(all []store.Problem, j control.JobStatus) []store.Problem {
	out := []store.Problem{}
	for _, p := range all {
		if p.Job == j.Name || p.Job == "" && p.File == j.File {
			out = append(out, p)
		}
	}
	return out
}

// imagesOf keeps the images that tasks of one job have.
func imagesOf(all []control.ImageStatus, j control.JobStatus) []control.ImageStatus {
	has := map[string]bool{}
	for _, a := range j.Allocs {
		for _, ts := range a.Status.Tasks {
			has[ts.ImageID] = true
		}
	}
	var out []control.ImageStatus
	for _, img := range all {
		if has[img.ID] {
			out = append(out, img)
		}
	}
	return out
}

func completeJobs(o *options, cmd *cobra.Command, args []string) []string {
	if len(args) > 0 {
		return nil
	}
	cfg, err := o.load(cmd)
	if err != nil {
		return nil
	}
	s, err := readStatus(cmd.Context(), cfg.DataDir)
	if err != nil {
		return nil
	}
	var names []string
	for _, j := range s.Jobs {
		names = append(names, j.Name)
	}
	return names
}
