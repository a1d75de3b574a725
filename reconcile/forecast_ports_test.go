package reconcile

import (
	"strings"
	"testing"
	"time"

	"reconciler/internal/job"
)

// onPort makes a job ask for a static port.
func onPort(port int) func(*job.Job) {
	return func(j *job.Job) { j.Groups[0].Tasks[0].Resources.Ports = []job.Port{{Label: "http", Static: port}} }
}

// A generation that is put back needs the ports that it had, not those of the
// edit that failed: where another job has one by now it waits, and the plan
// says so.
func TestForecastOfAWayBackThatIsTaken(t *testing.T) {
	live(t, func(r *rig) {
		r.write(webJob(onPort(8100)))
		r.after(time.Minute)
		// The edit gives the port up, and its container ends at once, for good.
		once := func(j *job.Job) {
			j.Groups[0].Restart = &job.Restart{Interval: job.Duration(time.Hour), Mode: job.RestartFail}
		}
		r.write(webJob(onPort(8101), once, revert, func(j *job.Job) { j.Groups[0].Update.HealthyDeadline = job.Duration(time.Minute) }))
		r.after(time.Second)
		r.ports.foreign[8100] = "another job"
		r.exit(r.one("web").ID, 1)
		r.after(time.Minute)
		if d, _ := r.st.Deployments.Get("web"); !d.Groups["web"].Reverted {
			t.Fatalf("not taken back: %+v", d)
		}
		r.done()
		deeds, waits := r.forecast()
		if len(deeds) > 0 || len(waits) != 1 || !strings.Contains(waits[0], errRestartsExhausted) && !strings.Contains(waits[0], "its restart block allows no more") {
			t.Errorf("deeds %q, waits %q", deeds, waits)
		}
		r.after(time.Hour)
		r.did()
	})
}
