package store

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"
)

func TestEqualEventsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mustOpen(t, tempDir(t))
		begin := time.Now().UTC()
		for range 3 {
			s.Event(Event{Type: EventWarning, Reason: "Crash", Job: "web", Message: "exit 1"})
			s.Event(Event{Type: EventWarning, Reason: "Crash", Job: "db", Message: "exit 2"})
			time.Sleep(time.Minute)
		}
		s.Event(Event{Type: EventNormal, Reason: "Started", Job: "web"})
		s.Event(Event{Type: EventWarning, Reason: "Crash", Job: "web", Message: "exit 1"})
		want := []Event{
			{Time: begin.Add(2 * time.Minute), First: begin, Count: 3, Type: EventWarning, Reason: "Crash", Job: "web", Message: "exit 1"},
			{Time: begin.Add(2 * time.Minute), First: begin, Count: 3, Type: EventWarning, Reason: "Crash", Job: "db", Message: "exit 2"},
			{Time: begin.Add(3 * time.Minute), First: begin.Add(3 * time.Minute), Count: 1, Type: EventNormal, Reason: "Started", Job: "web"},
			{Time: begin.Add(3 * time.Minute), First: begin.Add(3 * time.Minute), Count: 1, Type: EventWarning, Reason: "Crash", Job: "web", Message: "exit 1"},
		}
		diff(t, "events", want, s.Events())
		s = reopen(t, s)
		diff(t, "events after reopening", want, s.Events())
		s.Event(Event{Type: EventWarning, Reason: "Crash", Job: "db", Message: "exit 2"})
		got := s.Events()
		diff(t, "count goes on", 4, got[len(got)-1].Count)
		diff(t, "number", 4, len(got))
	})
}

func TestEventKeysSortAsTheyHappened(t *testing.T) {
	s := mustOpen(t, tempDir(t))
	at := anyTime.Add(400 * time.Millisecond)
	for i, step := range []time.Duration{0, 0, time.Hour, -48 * time.Hour, time.Nanosecond, 3 * 24 * time.Hour} {
		at = at.Add(step)
		s.Event(Event{Time: at.In(time.FixedZone("x", 3600)), Reason: fmt.Sprint(i)})
	}
	s = reopen(t, s)
	s.Event(Event{Time: anyTime, Reason: "6"})
	mustCommit(t, s)
	var reasons []string
	for _, e := range s.Events() {
		reasons = append(reasons, e.Reason)
		diff(t, "location", "UTC", e.Time.Location().String())
	}
	diff(t, "order", "0 1 2 3 4 5 6", strings.Join(reasons, " "))
	form := regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z/\d{10}$`)
	for key := range dump(t, s.Dir())[bucketEvents] {
		if !form.MatchString(key) {
			t.Errorf("key %q", key)
		}
	}
}

func TestRingIsBounded(t *testing.T) {
	s := mustOpen(t, tempDir(t))
	for i := range maxEvents + 50 {
		s.Event(Event{Reason: "R", Object: fmt.Sprint(i)})
		if i == maxEvents/2 {
			mustCommit(t, s)
		}
	}
	mustCommit(t, s)
	diff(t, "in the file", maxEvents, len(dump(t, s.Dir())[bucketEvents]))
	got := s.Events()
	diff(t, "in memory", maxEvents, len(got))
	diff(t, "oldest", "50", got[0].Object)
	diff(t, "subjects", maxEvents, len(s.ring.newest))
	if !slices.IsSortedFunc(got, func(a, b Event) int { return a.Time.Compare(b.Time) }) {
		t.Error("not in order")
	}
}

func TestLongMessagesAreCut(t *testing.T) {
	s := mustOpen(t, tempDir(t))
	s.Event(Event{Message: strings.Repeat("日", maxMessage)})
	got := s.Events()[0].Message
	if len(got) > maxMessage || len(got) < maxMessage-8 || !utf8.ValidString(got) || !strings.HasSuffix(got, "…") {
		t.Errorf("%d bytes: %q", len(got), got)
	}
}
