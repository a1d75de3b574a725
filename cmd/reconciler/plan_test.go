package main

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"reconciler/internal/job"
)

// What is only waited for is shown and counts as nothing to do.
func TestPrintPlan(t *testing.T) {
	run := job.Forecast{Job: "web", Do: "run", What: "run web attempt 1 (Placed)"}
	wait := job.Forecast{Job: "db", Do: job.ForecastWait, What: `waits: db[0]: port "p": 10.0.0.1:80 is held by container "nginx"`}
	tests := []struct {
		name  string
		steps []job.Forecast
		want  string
		code  error
	}{
		{"nothing", nil, "nothing to do\n", nil},
		{"a deed", []job.Forecast{run}, "web: run web attempt 1 (Placed)\n", exitCode(exitSomething)},
		{"a wait", []job.Forecast{wait}, wait.String() + "\nnothing to do\n", nil},
		{"both", []job.Forecast{run, wait}, run.String() + "\n" + wait.String() + "\n", exitCode(exitSomething)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var text, asJSON strings.Builder
			if err := printPlan(&text, tt.steps, false); !errors.Is(err, tt.code) || text.String() != tt.want {
				t.Errorf("printed %q, %v; want %q, %v", text.String(), err, tt.want, tt.code)
			}
			if err := printPlan(&asJSON, tt.steps, true); !errors.Is(err, tt.code) {
				t.Errorf("JSON: %v, want %v", err, tt.code)
			}
			var got []job.Forecast
			if err := json.Unmarshal([]byte(asJSON.String()), &got); err != nil || len(got) != len(tt.steps) {
				t.Errorf("JSON: %d steps, %v; want %d", len(got), err, len(tt.steps))
			}
		})
	}
}
