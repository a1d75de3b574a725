package job

import "time"

// ConditionStatus is the three-valued truth of a Condition. Unknown means
// that nobody could look, never that the answer is no.
type ConditionStatus string

// The values of a ConditionStatus.
const (
	True    ConditionStatus = "True"
	False   ConditionStatus = "False"
	Unknown ConditionStatus = "Unknown"
)

// Condition types of a job.
const (
	CondSpecValid   = "SpecValid"
	CondProgressing = "Progressing"
	CondDegraded    = "Degraded"
	CondHeld        = "Held"
)

// Condition types of an allocation.
const (
	CondPlaced     = "Placed"
	CondImageReady = "ImageReady"
	CondRunning    = "Running"
	CondHealthy    = "Healthy"
)

// Condition is one aspect of the state of a job or an allocation, in the
// form that Kubernetes uses (meta/v1 Condition).
type Condition struct {
	Type               string          `json:"type"`
	Status             ConditionStatus `json:"status"`
	Reason             string          `json:"reason"`
	Message            string          `json:"message,omitempty"`
	LastTransition     time.Time       `json:"last_transition"`
	ObservedGeneration uint64          `json:"observed_generation,omitempty"`
}

// SetCondition returns conds with c in it, in a new slice. LastTransition is
// kept from the condition of the same type while the status is the same, so
// that a repeated pass changes nothing.
func SetCondition(conds []Condition, c Condition, now time.Time) []Condition {
	c.LastTransition = now.UTC()
	out := make([]Condition, 0, len(conds)+1)
	found := false
	for _, old := range conds {
		if old.Type != c.Type {
			out = append(out, old)
			continue
		}
		found = true
		if old.Status == c.Status {
			c.LastTransition = old.LastTransition
		}
		out = append(out, c)
	}
	if !found {
		out = append(out, c)
	}
	return out
}

// FindCondition returns the condition of type typ and whether there is one.
func FindCondition(conds []Condition, typ string) (Condition, bool) {
	for _, c := range conds {
		if c.Type == typ {
			return c, true
		}
	}
	return Condition{}, false
}
