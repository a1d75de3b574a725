package laws

import (
	"time"

	"reconciler/internal/job"
)

// served is a job of two allocations with a service, which may run beside its
// successors.
func served(tag string, u updateBlock) spec {
	return spec{name: "a", tag: tag, count: 2, life: life{Check: "good", Every: 4, Drain: 2, Update: u}}
}

// lifeCrashStories are those of the lives of allocations that the agent is
// killed in.
var lifeCrashStories = []crashStory{
	{
		name:   "update beside",
		before: func(w *world) { w.save("a.hcl", hcl(served("1", updateBlock{}))) },
		then:   func(w *world) { w.save("a.hcl", hcl(served("2", updateBlock{}))) },
		wait:   40 * time.Second,
	},
	{
		name:   "update one by one",
		before: func(w *world) { w.save("a.hcl", hcl(spec{name: "a", tag: "1", count: 2, life: life{Volume: true}})) },
		then:   func(w *world) { w.save("a.hcl", hcl(spec{name: "a", tag: "2", count: 2, life: life{Volume: true}})) },
		wait:   30 * time.Second,
	},
	{
		name:   "auto_revert",
		before: func(w *world) { w.save("a.hcl", hcl(served("1", updateBlock{Healthy: 10, Revert: true}))) },
		then: func(w *world) {
			s := served("2", updateBlock{Healthy: 10, Revert: true})
			s.arg, s.life.Restart = "crash", &restartBlock{Attempts: 1, Delay: 1, Interval: 60, Mode: job.RestartFail}
			w.save("a.hcl", hcl(s))
		},
		wait: 40 * time.Second,
	},
	{
		name: "batch",
		then: func(w *world) {
			w.save("a.hcl", hcl(spec{name: "a", tag: "1", arg: "done", count: 1, two: true, life: life{Batch: true}}))
		},
		wait: 20 * time.Second,
	},
	{
		name: "restart with a delay",
		before: func(w *world) {
			r := &restartBlock{Attempts: 2, Delay: 12, Interval: 300, Mode: job.RestartFail}
			w.save("a.hcl", hcl(spec{name: "a", tag: "1", count: 1, static: 8081, life: life{Restart: r}}))
		},
		then: func(w *world) { w.e.Exit(w.one("a").ID, 1) },
		wait: 30 * time.Second,
	},
	{
		name: "drain",
		before: func(w *world) {
			s := served("1", updateBlock{})
			s.life.Drain = 8
			w.save("a.hcl", hcl(s))
			w.save("k.hcl", hcl(app("k", "2")))
		},
		then: func(w *world) { w.remove("a.hcl") },
		wait: 50 * time.Second,
	},
	{
		name: "leader",
		before: func(w *world) {
			w.save("a.hcl", hcl(spec{name: "a", tag: "1", arg: "stubborn", count: 1, two: true, life: life{Leader: true}}))
			w.save("k.hcl", hcl(app("k", "2")))
		},
		then: func(w *world) { w.remove("a.hcl") },
		wait: 60 * time.Second,
	},
	{
		name: "leader of a batch",
		then: func(w *world) {
			w.save("a.hcl", hcl(spec{name: "a", tag: "1", arg: "done", count: 1, two: true, life: life{Batch: true, Leader: true}}))
		},
		wait: 30 * time.Second,
	},
	{
		name: "shared network",
		before: func(w *world) {
			w.save("a.hcl", hcl(spec{name: "a", tag: "1", count: 1, two: true, life: life{Joins: true}}))
		},
		then: func(w *world) { w.e.Exit(w.running("a")[0].ID, 1) }, // the oldest: it was started first
		wait: 20 * time.Second,
	},
	{
		name: "constraint",
		before: func(w *world) {
			w.save("a.hcl", hcl(spec{name: "a", tag: "1", count: 2, life: life{Need: home}}))
		},
		then: func(w *world) { w.save("a.hcl", hcl(spec{name: "a", tag: "1", count: 2, life: life{Need: "r2"}})) },
		wait: 20 * time.Second,
	},
}
