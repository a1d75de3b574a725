package check

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"reconciler/internal/job"
)

// looker returns the function that looks once at a target of any type. ctx has
// the deadline of the look.
func looker(exec Execer) func(context.Context, job.CheckTarget) result {
	return func(ctx context.Context, t job.CheckTarget) result {
		switch t.Check.Type {
		case job.CheckHTTP:
			return lookHTTP(ctx, t)
		case job.CheckTCP:
			return lookTCP(ctx, t)
		case job.CheckScript:
			return lookScript(ctx, exec, t)
		}
		return failed("no check is of type %q", t.Check.Type)
	}
}

func failed(format string, args ...any) result {
	return result{job.CheckCritical, fmt.Sprintf(format, args...)}
}

// late reports whether the time of a look, and not its watch, has ended.
func late(ctx context.Context) bool { return errors.Is(ctx.Err(), context.DeadlineExceeded) }

// patience is the timeout of a check in words.
func patience(t job.CheckTarget) time.Duration { return timeout(t.Check) }

// line makes one line of printable text, of at most job.MaxCheckOutput bytes,
// out of whatever a look has met.
func line(s string) string {
	const ellipsis = "…"
	s = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, "\uFFFD"), func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r)
	}), " ")
	if len(s) <= job.MaxCheckOutput {
		return s
	}
	cut := job.MaxCheckOutput - len(ellipsis)
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + ellipsis
}
