package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"reconciler/desired"
	"reconciler/internal/config"
	"reconciler/internal/job"
	"reconciler/store"
)

func newValidateCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "validate [PATH…]",
		Short: "Check manifests, or an agent configuration (--config FILE), offline",
		Long: `Check manifest files, and directories of them, exactly as the agent reads them.
With --config FILE the agent configuration in FILE is checked as well. Problems
are printed with file, line and column, and the exit code is 1 if there is any
but warnings. Otherwise it is 0, and each file has a line that says what the
agent would run of it.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			withConfig := cmd.Flags().Changed("config")
			if len(args) == 0 && !withConfig {
				return errors.New("nothing to check: name manifest files or directories, or --config FILE")
			}
			bad := false
			if withConfig {
				bad = checkConfig(cmd, o.configPath)
			}
			if len(args) > 0 {
				files, err := desired.Validate(args)
				if err != nil {
					return err
				}
				bad = printChecked(cmd.OutOrStdout(), files, strings.Join(args, " ")) || bad
			}
			if bad {
				return exitCode(1)
			}
			return nil
		},
	}
}

func checkConfig(cmd *cobra.Command, path string) (bad bool) {
	cfg, err := config.Load(path, true)
	if err == nil {
		err = cfg.Validate()
	}
	if err != nil {
		fmt.Fprintln(cmd.OutOrStdout(), err)
		return true
	}
	for _, w := range cfg.Warnings("") {
		fmt.Fprintln(cmd.OutOrStdout(), "Warning: "+w)
	}
	fmt.Fprintln(cmd.OutOrStdout(), path+": valid agent configuration")
	return false
}

// printChecked prints every problem, reports whether one is an error, and if
// none is, what is good. where is what was looked through.
func printChecked(w io.Writer, files []desired.Checked, where string) (bad bool) {
	wrong := 0
	for _, f := range files {
		if printProblems(w, f.Problems) {
			wrong++
		}
	}
	switch {
	case len(files) == 0:
		fmt.Fprintln(w, where+": no manifest (*.hcl, *.nomad)")
	case wrong > 0 && len(files) > 1:
		fmt.Fprintf(w, "errors in %d of %d files\n", wrong, len(files))
	case wrong == 0:
		printGood(w, files)
	}
	return wrong > 0
}

// printGood prints what the agent would run.
func printGood(w io.Writer, files []desired.Checked) {
	for _, f := range files {
		if len(f.Jobs) == 0 && len(f.Problems) == 0 {
			fmt.Fprintln(w, f.File+": no job in it")
		}
		for _, j := range f.Jobs {
			fmt.Fprintln(w, f.File+": valid; "+describe(j))
		}
	}
}

// describe says what a job is made of.
func describe(j *job.Job) string {
	allocs, containers := 0, 0
	for i := range j.Groups {
		n := j.Groups[i].WantedCount(j.Type)
		allocs += n
		containers += n * len(j.Groups[i].Tasks)
	}
	return fmt.Sprintf("job %q (%s): %s, %s, %s", j.Name, j.Type,
		count(len(j.Groups), "group"), count(allocs, "allocation"), count(containers, "container"))
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// printProblems prints every problem and reports whether one is an error.
func printProblems(w io.Writer, problems []store.Problem) (bad bool) {
	for _, p := range problems {
		fmt.Fprintln(w, p)
		if line := shownLine(p); line != "" {
			fmt.Fprintln(w, "    "+line)
		}
		bad = bad || p.Severity != store.SeverityWarning
	}
	return bad
}
