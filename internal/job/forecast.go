package job

import "time"

// Forecast is one thing that the controllers will do if nothing else happens
// and every step succeeds: what `reconciler plan` prints.
type Forecast struct {
	Job    string   `json:"job"`
	Alloc  string   `json:"alloc,omitempty"` // "new-1" for one that is not there yet
	Task   string   `json:"task,omitempty"`
	Do     string   `json:"do"`   // place, prepare, promote, stop, advance; bring, run, start, kill, remove, rename, unpause, update
	What   string   `json:"what"` // the same, for people
	Reason string   `json:"reason"`
	Fields []string `json:"fields,omitempty"` // what differs, by its name in the language
	After  Duration `json:"after"`            // from now, at the earliest
}

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
