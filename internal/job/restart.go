package job

import "time"

// RestartMode says what follows when Restart.Attempts are used up.
type RestartMode string

// The modes of a restart block.
const (
	RestartFail  RestartMode = "fail"  // no further container until an edit or a retry
	RestartDelay RestartMode = "delay" // wait for the rest of the interval, and begin anew
)

// Defaults of a restart block's missing fields (Nomad, jobspec of services).
const (
	DefaultRestartAttempts = 2
	DefaultRestartInterval = 30 * time.Minute
	DefaultRestartDelay    = 15 * time.Second
	DefaultRestartMode     = RestartFail
)

// Restart is a restart block. A task without one is restarted at once after
// its first crash and then with a growing delay, for ever.
type Restart struct {
	Attempts int         `json:"attempts"` // within Interval
	Interval Duration    `json:"interval"`
	Delay    Duration    `json:"delay"` // before each; up to a quarter is added
	Mode     RestartMode `json:"mode"`
}

// RestartOf returns the restart block that holds for a task of the group: its
// own, else the group's, else nil.
func (g *Group) RestartOf(t *Task) *Restart {
	if t.Restart != nil {
		return t.Restart
	}
	return g.Restart
}
