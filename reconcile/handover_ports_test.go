package reconcile

import (
	"fmt"
	"testing"
	"time"

	"reconciler/internal/job"
)

// Many jobs are edited at once. What each must ask of the host's ports does not
// grow with the square of their number.
func TestManyEditsAskForFewPorts(t *testing.T) {
	const jobs = 40
	for _, tt := range []struct {
		name string
		port func(i int) job.Port
		most int // calls of Probe for each job
	}{
		{"without a port of their own", func(int) job.Port { return job.Port{Label: "http"} }, 0},
		{"each with its static port", func(i int) job.Port { return job.Port{Label: "http", Static: 8000 + i} }, 10},
	} {
		t.Run(tt.name, func(t *testing.T) {
			live(t, func(r *rig) {
				write := func(cmd string) {
					for i := range jobs {
						port := ofTask("web", func(t *job.Task) { t.Resources.Ports = []job.Port{tt.port(i)} })
						r.write(webJob(called(fmt.Sprintf("job%d", i)), port, command(cmd)))
					}
				}
				write("old")
				r.after(time.Minute)
				r.ports.probes = 0
				write("new")
				r.after(2 * time.Minute)
				if n := r.ports.probes; n > jobs*tt.most {
					t.Errorf("%d calls of Probe for %d jobs, want at most %d", n, jobs, jobs*tt.most)
				}
				r.quiet()
			})
		})
	}
}
