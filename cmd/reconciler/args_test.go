package main

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
)

func TestExplained(t *testing.T) {
	denied := fmt.Errorf("control socket in /data: %w", syscall.EACCES)
	if got := explained(denied, 1000); !strings.HasSuffix(got, "permission denied; run this as root, or as the user that the agent runs as") {
		t.Error(got)
	}
	if got := explained(denied, 0); got != denied.Error() {
		t.Errorf("of root: %s", got)
	}
	if got := explained(errors.New("no such job"), 1000); got != "no such job" {
		t.Errorf("of something else: %s", got)
	}
	if got := explained(exitCode(2), 1000); got != "" {
		t.Errorf("of a verb that has said everything: %s", got)
	}
}
