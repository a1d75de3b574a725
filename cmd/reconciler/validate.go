package main

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"reconciler/desired"
	"reconciler/internal/config"
	"reconciler/store"
)

func newValidateCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "validate [PATH…]",
		Short: "Check manifests, or an agent configuration (--config FILE), offline",
		Long: `Check manifest files, and directories of them, exactly as the agent reads them.
With --config FILE the agent configuration in FILE is checked as well. Problems
are printed with file, line and column; the exit code is 1 if there is any.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			withConfig := cmd.Flags().Changed("config")
			if len(args) == 0 && !withConfig {
				return fmt.Errorf("nothing to check: name manifest files or directories, or --config FILE")
			}
			bad := false
			if withConfig {
				bad = checkConfig(cmd, o.configPath)
			}
			if len(args) > 0 {
				problems, err := desired.Validate(args)
				if err != nil {
					return err
				}
				bad = printProblems(cmd.OutOrStdout(), problems) || bad
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
	return false
}

// printProblems prints every problem and reports whether one is an error.
func printProblems(w io.Writer, problems []store.Problem) (bad bool) {
	for _, p := range problems {
		fmt.Fprintln(w, p)
		if line := sourceLine(p); line != "" {
			fmt.Fprintln(w, "    "+line)
		}
		bad = bad || p.Severity != store.SeverityWarning
	}
	return bad
}

// sourceLine is the line that a problem points at, if it can still be read.
func sourceLine(p store.Problem) string {
	if p.Line == 0 {
		return "" // of the whole file, which may be a pipe or a device
	}
	src, err := os.ReadFile(p.File)
	if err != nil {
		return ""
	}
	lines := strings.Split(string(src), "\n")
	if p.Line > len(lines) {
		return ""
	}
	return secretLine.ReplaceAllString(strings.TrimSpace(lines[p.Line-1]), "$1 …")
}

// secretLine finds what may be a password, also under a key with a slip in
// it: what validate prints ends up in the logs of build machines.
var secretLine = regexp.MustCompile(`(?i)\b((?:pas\w*|auth)"?\s*[=:]).*`)
