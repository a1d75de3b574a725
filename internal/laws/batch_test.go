package laws

import (
	"testing"
	"time"
)

// TestNoWorkTwice: what a batch job has done is not done again when the state
// is lost, also where no file tells any more what the job was.
func TestNoWorkTwice(t *testing.T) {
	t.Parallel()
	for name, next := range map[string]string{
		"the same":         hcl(spec{name: "a", tag: "1", arg: "done", count: 1, life: life{Batch: true}}),
		"broken":           "job \"a\" {\n  group {\n",
		"may not run here": hcl(spec{name: "a", tag: "2", count: 1, life: life{Need: "r2"}}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tell(t, func(w *world) {
				w.save("a.hcl", hcl(spec{name: "a", tag: "1", arg: "done", count: 1, life: life{Batch: true}}))
				w.start()
				w.after(5 * time.Minute)
				if got := len(w.ours()); got != 1 || len(w.running("a")) > 0 {
					w.bad("%d containers, %d of them running: the work is not done", got, len(w.running("a")))
				}
				w.kill()
				w.lose()
				w.save("a.hcl", next)
				writes := w.marks()
				w.start()
				w.after(10 * time.Minute)
				if got := w.written(writes); len(got) > 0 {
					w.bad("writes %v", got)
				}
			})
		})
	}
}
