package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// status is what the tests read of `reconciler status --json`. All that they
// know of its form stands in this file.
type status struct {
	// Source is "daemon", or "file" if no daemon answered.
	Source string `json:"source"`
	NodeID string `json:"node_id"`
	Docker struct {
		Connected bool   `json:"connected"`
		Problem   string `json:"problem"`
	} `json:"docker"`
	Manifests struct {
		OK      bool   `json:"ok"`
		Problem string `json:"problem"`
	} `json:"manifests"`
	Jobs     []jobStatus `json:"jobs"`
	Problems []problem   `json:"problems"`
}

type jobStatus struct {
	Name       string        `json:"name"`
	Generation uint64        `json:"generation"`
	File       string        `json:"file"`
	Phase      string        `json:"phase"`
	Healthy    int           `json:"healthy"`
	Held       string        `json:"held"`
	Conditions []condition   `json:"conditions"`
	Allocs     []allocStatus `json:"allocs"`
}

type condition struct {
	Type    string `json:"type"`
	Status  string `json:"status"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

type allocStatus struct {
	Spec struct {
		ID      string `json:"id"`
		Index   int    `json:"index"`
		Desired string `json:"desired"`
	} `json:"spec"`
	Status struct {
		Tasks map[string]taskStatus `json:"tasks"`
	} `json:"status"`
}

type taskStatus struct {
	Phase     string `json:"phase"`
	Attempt   int    `json:"attempt"`
	Restarts  int    `json:"restarts"`
	LastError *struct {
		Kind    string `json:"kind"`
		Reason  string `json:"reason"`
		Message string `json:"message"`
	} `json:"last_error"`
}

type problem struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Col     int    `json:"col"`
	Summary string `json:"summary"`
	Detail  string `json:"detail"`
	Job     string `json:"job"`
}

func (p problem) String() string {
	return fmt.Sprintf("%s:%d,%d: %s; %s", p.File, p.Line, p.Col, p.Summary, p.Detail)
}

func (s status) live() bool      { return s.Source == "daemon" }
func (s status) connected() bool { return s.Docker.Connected }

// job returns the status of one job and whether there is one.
func (s status) job(name string) (jobStatus, bool) {
	i := slices.IndexFunc(s.Jobs, func(j jobStatus) bool { return j.Name == name })
	if i < 0 {
		return jobStatus{}, false
	}
	return s.Jobs[i], true
}

// errorOf returns the last errors of a job's tasks.
func (s status) errorOf(name string) string {
	j, _ := s.job(name)
	var out []string
	for _, a := range j.Allocs {
		for _, t := range a.Status.Tasks {
			if t.LastError != nil {
				out = append(out, t.LastError.Kind+" "+t.LastError.Reason+": "+t.LastError.Message)
			}
		}
	}
	return strings.Join(out, "\n")
}

// problemsOf returns the problems of one file.
func (s status) problemsOf(file string) []problem {
	return slices.DeleteFunc(slices.Clone(s.Problems), func(p problem) bool { return p.File != file })
}

// status asks the CLI.
func (w *world) status() (status, error) {
	r := w.run("status", "--data-dir", w.data, "--json")
	if r.code != 0 {
		return status{}, fmt.Errorf("status exits %d: %s", r.code, r.err)
	}
	var s status
	if err := json.Unmarshal([]byte(r.out), &s); err != nil {
		return status{}, fmt.Errorf("status --json: %w in %q", err, r.out)
	}
	return s, nil
}

// awaitProblem waits for a problem of a file that has all the words in it, and
// returns it.
func (w *world) awaitProblem(file string, words ...string) problem {
	w.t.Helper()
	var found problem
	eventually(w.t, "status shows the problem of "+file, func() error {
		s, err := w.status()
		if err != nil {
			return err
		}
		for _, p := range s.problemsOf(file) {
			if containsAll(p.String(), words...) {
				found = p
				return nil
			}
		}
		return fmt.Errorf("no problem with %q in %v", words, s.Problems)
	})
	return found
}

// awaitNoProblem waits until a file has no problem.
func (w *world) awaitNoProblem(file string) {
	w.t.Helper()
	eventually(w.t, file+" has no problem", func() error {
		s, err := w.status()
		if err != nil {
			return err
		}
		if got := s.problemsOf(file); len(got) > 0 {
			return fmt.Errorf("%v", got)
		}
		return nil
	})
}

// awaitError waits until status shows an error of a job's task that has all
// the words in it.
func (w *world) awaitError(name string, words ...string) {
	w.t.Helper()
	eventually(w.t, "status shows what is wrong with job "+name, func() error {
		s, err := w.status()
		if err != nil {
			return err
		}
		if got := s.errorOf(name); !containsAll(got, words...) {
			return fmt.Errorf("no %q in %q", words, got)
		}
		return nil
	})
}

// manifest is a value of the manifests bucket.
type manifest struct {
	Hash     string    `json:"hash"`
	Jobs     []string  `json:"jobs"`
	Problems []problem `json:"problems"`
	Since    time.Time `json:"since"`
}

// record reads one value of the live state file with the bbolt CLI.
func (w *world) record(into any, bucket, key string) error {
	w.t.Helper()
	r := w.bolt("get", w.state(), bucket, key)
	if r.code != 0 {
		return fmt.Errorf("bbolt get %s %s: %s", bucket, key, r.err)
	}
	return json.Unmarshal([]byte(r.out), into)
}

func containsAll(text string, words ...string) bool {
	text = strings.ToLower(text)
	return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(text, strings.ToLower(w)) })
}
