package observed

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/docker/go-units"
)

// same reports whether two looks at a container saw the same.
func same(a, b Container) bool {
	a.AsOf, b.AsOf = time.Time{}, time.Time{}
	return reflect.DeepEqual(a, b)
}

// moved reports whether a change from a to b is one that the engine tells by
// an event; seen without one, it means that events are lost. A container
// enters removing and dead without a word.
func moved(a, b Container) bool {
	if a.Name != b.Name {
		return true
	}
	return a.State != b.State && b.State != Removing && b.State != Dead
}

// agrees reports whether a list shows the container as the entry has it. What
// a list does not tell is not compared; neither are Image, which a list shows
// as an id once the tag has moved, and aliases.
func agrees(e entry, listed Container) bool {
	if e.State != listed.State || e.Name != listed.Name || e.ImageID != listed.ImageID ||
		e.NetworkMode != listed.NetworkMode || len(e.Networks) != len(listed.Networks) ||
		!reflect.DeepEqual(e.Ports, listed.Ports) {
		return false
	}
	for name, n := range listed.Networks {
		if had, ok := e.Networks[name]; !ok || had.NetworkID != n.NetworkID || had.IPAddress != n.IPAddress {
			return false
		}
	}
	return true
}

// statusAgrees compares the list's text for people, "Up 3 minutes (healthy)"
// or "Exited (137) 5 seconds ago", with what the container's details let
// expect, if the list was taken between from and to. It is the only trace in
// a list of a restart, an exit code or a change of health that no event told.
// A text of another form says nothing and agrees; so does a container whose
// details are not known.
func statusAgrees(c entry, status string, from, to time.Time) bool {
	if c.listed || !c.Ours {
		return true
	}
	var format string
	var since time.Time
	switch {
	case c.State == Running && strings.HasPrefix(status, "Up "):
		format, since = "Up %s", c.StartedAt
		if _, health, ok := strings.Cut(status, " ("); ok {
			health = strings.TrimPrefix(strings.TrimSuffix(health, ")"), "health: ")
			if health != c.Health {
				return false
			}
		}
		status, _, _ = strings.Cut(status, " (")
	case c.State == Exited && strings.HasPrefix(status, "Exited ("):
		format, since = fmt.Sprintf("Exited (%d) %%s ago", c.ExitCode), c.FinishedAt
	default:
		return true
	}
	// The engine took its clock somewhere between from and to; a second more
	// on both sides covers the cutting of fractions.
	for t := from.Add(-time.Second); !t.After(to.Add(time.Second)); t = t.Add(time.Second / 2) {
		if status == fmt.Sprintf(format, units.HumanDuration(t.Sub(since))) {
			return true
		}
	}
	return false
}
