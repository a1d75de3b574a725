package main

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// takes is the check of the words after a verb: at least so many, none of them
// empty, and at most so many. The error says how the verb is used.
func takes(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < least || slices.Contains(args, ""):
			return fmt.Errorf("%s: a name is missing; usage: %s", cmd.Name(), cmd.UseLine())
		case len(args) > most:
			return fmt.Errorf("%s: unexpected %q; usage: %s", cmd.Name(), args[most], cmd.UseLine())
		}
		return nil
	}
}

// noVerb is the error of a first word that is no verb.
func noVerb(root *cobra.Command, word string) error {
	if near := root.SuggestionsFor(word); len(near) > 0 {
		return fmt.Errorf("unknown command %q; did you mean %s? See 'reconciler --help'", word, strings.Join(near, " or "))
	}
	return fmt.Errorf("unknown command %q; see 'reconciler --help'", word)
}

// explained is the text of an error, with what to do about a right that is
// missing. uid is that of this process.
func explained(err error, uid int) string {
	text := err.Error()
	if uid != 0 && errors.Is(err, fs.ErrPermission) {
		text += "; run this as root, or as the user that the agent runs as"
	}
	return text
}
