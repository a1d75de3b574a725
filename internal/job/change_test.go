package job

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fullJob has every list and block of a job with one element.
func fullJob() *Job {
	j := plainJob()
	g := &j.Groups[0]
	t := &g.Tasks[0]
	g.Meta = map[string]string{"a": "b"}
	service := func(name string) []Service {
		return []Service{{Name: name, Port: "http", Checks: []Check{{Name: "up", Type: CheckHTTP, CheckRestart: &CheckRestart{Limit: 1}}}}}
	}
	j.Constraints = []Constraint{{Attribute: "a", Operator: "="}}
	g.Constraints, t.Constraints = slices.Clone(j.Constraints), slices.Clone(j.Constraints)
	g.Services, t.Services = service("group"), service("task")
	g.Restart, t.Restart = &Restart{}, &Restart{}
	t.Artifacts = []Artifact{{Source: "x"}}
	t.Meta = map[string]string{"a": "b"}
	return j
}

// Each field of the language needs a new container or is changed in place, and
// never both: one in neither is an edit that has no effect at all.
func TestEveryFieldIsInOneOfBoth(t *testing.T) {
	// What is about the whole job, the identity, and an only value.
	neither := map[string]bool{"Job.Name": true, "Job.Type": true, "Job.Datacenters": true, "Job.Groups": true, "Group.Tasks": true, "Task.Name": true, "Task.Driver": true, "Task.Config": true}
	j := fullJob()
	// A constraint of the job counts for each of its groups.
	for _, root := range []struct {
		name string
		of   func(*Job) reflect.Value
	}{
		{"Job", func(j *Job) reflect.Value { return reflect.ValueOf(j).Elem() }},
		{"Group", func(j *Job) reflect.Value { return reflect.ValueOf(&j.Groups[0]).Elem() }},
		{"Task", func(j *Job) reflect.Value { return reflect.ValueOf(&j.Groups[0].Tasks[0]).Elem() }},
		{"Config", func(j *Job) reflect.Value { return reflect.ValueOf(&j.Groups[0].Tasks[0].Config).Elem() }},
		{"Resources", func(j *Job) reflect.Value { return reflect.ValueOf(&j.Groups[0].Tasks[0].Resources).Elem() }},
		{"Logs", func(j *Job) reflect.Value { return reflect.ValueOf(&j.Groups[0].Tasks[0].Logs).Elem() }},
		{"Artifact", func(j *Job) reflect.Value { return reflect.ValueOf(&j.Groups[0].Tasks[0].Artifacts[0]).Elem() }},
		{"Port", func(j *Job) reflect.Value { return reflect.ValueOf(&j.Groups[0].Ports[0]).Elem() }},
		{"Port of a task", func(j *Job) reflect.Value { return reflect.ValueOf(&j.Groups[0].Tasks[0].Resources.Ports[0]).Elem() }},
		{"Update", func(j *Job) reflect.Value { return reflect.ValueOf(&j.Groups[0].Update).Elem() }},
		{"Restart", func(j *Job) reflect.Value { return reflect.ValueOf(j.Groups[0].Restart).Elem() }},
		{"Restart of a task", func(j *Job) reflect.Value { return reflect.ValueOf(j.Groups[0].Tasks[0].Restart).Elem() }},
		{"Service", func(j *Job) reflect.Value { return reflect.ValueOf(&j.Groups[0].Services[0]).Elem() }},
		{"Service of a task", func(j *Job) reflect.Value { return reflect.ValueOf(&j.Groups[0].Tasks[0].Services[0]).Elem() }},
		{"Check", func(j *Job) reflect.Value { return reflect.ValueOf(&j.Groups[0].Services[0].Checks[0]).Elem() }},
		{"Check of a task", func(j *Job) reflect.Value { return reflect.ValueOf(&j.Groups[0].Tasks[0].Services[0].Checks[0]).Elem() }},
		{"CheckRestart", func(j *Job) reflect.Value {
			return reflect.ValueOf(j.Groups[0].Services[0].Checks[0].CheckRestart).Elem()
		}},
		{"Constraint", func(j *Job) reflect.Value { return reflect.ValueOf(&j.Constraints[0]).Elem() }},
		{"Constraint of a group", func(j *Job) reflect.Value { return reflect.ValueOf(&j.Groups[0].Constraints[0]).Elem() }},
		{"Constraint of a task", func(j *Job) reflect.Value { return reflect.ValueOf(&j.Groups[0].Tasks[0].Constraints[0]).Elem() }},
	} {
		typ := root.of(j).Type()
		for i := range typ.NumField() {
			name := root.name + "." + typ.Field(i).Name
			if neither[name] {
				continue
			}
			next := fullJob()
			f := root.of(next).Field(i)
			if typ.Field(i).Name == "CheckRestart" {
				f.Set(reflect.Zero(f.Type()))
			} else {
				set(f)
			}
			hard := SpecHash(next, &next.Groups[0]) != SpecHash(j, &j.Groups[0])
			soft := ChangedInPlace(j, &j.Groups[0], next, &next.Groups[0])
			named := ChangedFields(j, &j.Groups[0], next, &next.Groups[0])
			if hard == (len(soft) > 0) {
				t.Errorf("%s: changes the hash: %v, in place: %q", name, hard, soft)
			}
			if hard != (len(named) > 0) {
				t.Errorf("%s: changes the hash: %v, fields %q", name, hard, named)
			}
			if Hash(next) == Hash(j) {
				t.Errorf("%s: an edit that nobody sees", name)
			}
		}
	}
}

// A list whose elements share a name is compared as a whole: none of them hides
// another.
func TestChangedInPlaceOfTwoServicesOfOneName(t *testing.T) {
	two := func(tag string) *Job {
		j := plainJob()
		j.Groups[0].Services = []Service{{Name: "web", Port: "http", Tags: []string{tag}}, {Name: "web", Port: "admin", Tags: []string{"red"}}}
		return j
	}
	a, b := two("blue"), two("green")
	if got := ChangedInPlace(a, &a.Groups[0], b, &b.Groups[0]); !slices.Equal(got, []string{"service"}) {
		t.Errorf("%q", got)
	}
}

func TestRestartOf(t *testing.T) {
	own, groups := &Restart{Attempts: 1}, &Restart{Attempts: 2}
	g := &Group{Tasks: []Task{{Name: "a", Restart: own}, {Name: "b"}}}
	if g.RestartOf(&g.Tasks[0]) != own || g.RestartOf(&g.Tasks[1]) != nil {
		t.Error("without a block of the group")
	}
	g.Restart = groups
	if g.RestartOf(&g.Tasks[0]) != own || g.RestartOf(&g.Tasks[1]) != groups {
		t.Error("with a block of the group")
	}
}

// What is stored comes back as it was, or a restart of the agent would be an
// edit.
func TestJobSurvivesJSON(t *testing.T) {
	j := fullJob()
	j.Groups[0].Update = Update{MaxParallel: 2, ProgressDeadline: NoDeadline, HealthyDeadline: 5, AutoRevert: true, HealthCheck: HealthByTasks}
	b, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	var back Job
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(j, &back); d != "" {
		t.Error(d)
	}
	if strings.Contains(string(b), "\n") {
		t.Error("more than one line")
	}
}
