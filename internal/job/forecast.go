package job

import "time"

// Forecast is one thing that the controllers will do if nothing else happens
// and every step succeeds, or what a job waits for then: a line of `reconciler
// plan`.
type Forecast struct {
	Job    string   `json:"job"`
	Alloc  string   `json:"alloc,omitempty"` // "new-1" for one that is not there yet
	Task   string   `json:"task,omitempty"`
	Do     string   `json:"do"`   // wait; place, prepare, promote, stop, advance; bring, run, start, kill, remove, rename, unpause, update
	What   string   `json:"what"` // the same, for people
	Reason string   `json:"reason"`
	Fields []string `json:"fields,omitempty"` // what differs, by its name in the language
	After  Duration `json:"after"`            // from now, at the earliest
}

// ForecastWait is the Do of a line that names no deed: what a job that is not
// as wanted in the end waits for.
const ForecastWait = "wait"

// Waits reports whether f names what is waited for, rather than a deed.
func (f Forecast) Waits() bool { return f.Do == ForecastWait }

// String prints a forecast in one line.
func (f Forecast) String() string {
	s := f.Job
	if f.Alloc != "" {
		s += " " + f.Alloc[:min(len(f.Alloc), 8)]
	}
	s += ": " + f.What
	if f.After > 0 {
		s += " in " + f.After.Std().Round(time.Second).String()
	}
	return s
}
