package desired

import (
	"time"

	"github.com/zclconf/go-cty/cty"

	"reconciler/internal/job"
)

// duration decodes a Go duration, which must not be negative.
func (l *loader) duration(dst *job.Duration) func([]item) {
	const want = `a duration such as "30s" or "1m30s"`
	return func(items []item) {
		v, at, ok := l.present(items, want)
		if !ok {
			return
		}
		if v.Type() != cty.String {
			l.wrongType(at, want, v)
			return
		}
		d, err := time.ParseDuration(v.AsString())
		if err != nil {
			l.wrongType(at, want, v)
			return
		}
		if d < 0 {
			l.errorf(at, "Out of range", "a duration must not be negative; %q is.", v.AsString())
			return
		}
		*dst = job.Duration(d)
	}
}

// atLeast decodes a duration that is no shorter than least.
func (l *loader) atLeast(dst *job.Duration, least time.Duration) func([]item) {
	return func(items []item) {
		d := job.Duration(-1)
		l.duration(&d)(items)
		switch {
		case d < 0: // not set, or told
		case d.Std() < least:
			l.errorf(items[0].expr.Range(), "Out of range", "%q is at least %q, not %q.", items[0].key, least, d)
		default:
			*dst = d
		}
	}
}
