package reconcile

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"reconciler/internal/job"
	"reconciler/observed"
	"reconciler/store"
)

// published plans an allocation of two tasks, web and side, that run and have
// been healthy, and returns "name=address:port" by key.
func published(edit ...func(*AllocInput)) (map[string]string, AllocPlan) {
	j := webJob(tasks("side"))
	in := allocInput()
	in.Job, in.Group = j, &j.Groups[0]
	in.Spec.SpecHash = job.SpecHash(j, in.Group)
	in.Spec.Ports = []job.AllocPort{
		{Label: "http", Task: "web", HostIP: "192.0.2.1", Host: 20001, To: 8080},
		{Label: "shared", HostIP: "192.0.2.1", Host: 20002, To: 9090},
	}
	in.HostAddress = "192.0.2.1"
	in.Status.HealthyAt = t0.Add(-time.Minute)
	for i, name := range []string{"web", "side"} {
		in.Status.Tasks[name] = job.TaskStatus{Prepared: true, Image: refWeb, ImageID: image1, Attempt: 1}
		with(observed.Running, 1, func(c *observed.Container) {
			c.ID, c.Name, c.Identity.Task = name, job.ContainerName(name, in.Spec.ID), name
			c.Networks = map[string]observed.Endpoint{
				"bridge": {IPAddress: fmt.Sprintf("172.17.0.%d", i+2)},
				"shop":   {IPAddress: fmt.Sprintf("10.0.0.%d", i+2), IPv6Address: fmt.Sprintf("fd00::%d", i+2)},
			}
		})(&in)
	}
	for _, f := range edit {
		f(&in)
	}
	in.Services = allocServices(job.Node{}, in)
	plan := PlanAlloc(in)
	out := map[string]string{}
	for key, r := range plan.Services {
		out[key] = fmt.Sprintf("%s=%s:%d", r.Name, r.Address, r.Port)
	}
	return out, plan
}

func TestServiceAddress(t *testing.T) {
	network := func(task, mode string) func(*AllocInput) {
		return group(func(g *job.Group) { g.Task(task).Config.NetworkMode = mode })
	}
	offers := func(s job.Service) func(*AllocInput) {
		return group(func(g *job.Group) { s.Name = "s"; g.Tasks[0].Services = []job.Service{s} })
	}
	ofGroup := func(s job.Service) func(*AllocInput) {
		return group(func(g *job.Group) { s.Name = "s"; g.Services = []job.Service{s} })
	}
	advertise := group(func(g *job.Group) { g.Tasks[0].Config.AdvertiseIPv6Address = true })
	for name, tc := range map[string]struct {
		edit []func(*AllocInput)
		want string // empty is not published
	}{
		"auto, bridge":                   {[]func(*AllocInput){offers(job.Service{Port: "http"})}, "192.0.2.1:20001"},
		"auto, user network":             {[]func(*AllocInput){network("web", "shop"), offers(job.Service{Port: "http"})}, "10.0.0.2:8080"},
		"host, user network":             {[]func(*AllocInput){network("web", "shop"), offers(job.Service{Port: "http", AddressMode: "host"})}, "192.0.2.1:20001"},
		"driver, bridge":                 {[]func(*AllocInput){offers(job.Service{Port: "http", AddressMode: "driver"})}, "172.17.0.2:8080"},
		"driver, port by number":         {[]func(*AllocInput){offers(job.Service{Port: "5432", AddressMode: "driver"})}, "172.17.0.2:5432"},
		"driver, no port":                {[]func(*AllocInput){offers(job.Service{AddressMode: "driver"})}, "172.17.0.2:0"},
		"host, no port":                  {[]func(*AllocInput){offers(job.Service{})}, "192.0.2.1:0"},
		"unknown port":                   {[]func(*AllocInput){offers(job.Service{Port: "none"})}, ""},
		"advertised IPv6":                {[]func(*AllocInput){network("web", "shop"), advertise, offers(job.Service{Port: "http"})}, "fd00::2:8080"},
		"advertised IPv6, there is none": {[]func(*AllocInput){advertise, offers(job.Service{Port: "http", AddressMode: "driver"}), network("web", "bridge"), dropShop}, ""},
		"driver, joined network": {
			[]func(*AllocInput){network("web", "container:side"), offers(job.Service{Port: "5432", AddressMode: "driver"})}, "172.17.0.3:5432",
		},
		"driver, foreign network":     {[]func(*AllocInput){network("web", "container:db"), offers(job.Service{Port: "5432", AddressMode: "driver"})}, ""},
		"driver, the host's network":  {[]func(*AllocInput){network("web", "host"), dropNetworks, offers(job.Service{Port: "5432", AddressMode: "driver"})}, ""},
		"group's":                     {[]func(*AllocInput){ofGroup(job.Service{Port: "shared"})}, "192.0.2.1:20002"},
		"a task's at the group's":     {[]func(*AllocInput){offers(job.Service{Port: "shared"})}, "192.0.2.1:20002"},
		"group's, of the second task": {[]func(*AllocInput){ofGroup(job.Service{Port: "shared", AddressMode: "driver"}), group(func(g *job.Group) { g.Tasks[1].Config.Ports = []string{"shared"} })}, "172.17.0.3:9090"},
	} {
		got, _ := published(tc.edit...)
		var all []string
		for _, v := range got {
			all = append(all, v)
		}
		var want []string
		if tc.want != "" {
			want = []string{"s=" + tc.want}
		}
		if !slices.Equal(all, want) {
			t.Errorf("%s: %q, want %q", name, all, want)
		}
	}
}

func dropNetworks(in *AllocInput) {
	for i := range in.Containers {
		in.Containers[i].Networks = map[string]observed.Endpoint{"host": {}}
	}
}

func dropShop(in *AllocInput) {
	for i := range in.Containers {
		delete(in.Containers[i].Networks, "shop")
	}
}

// Services of one name in an allocation, and checks of one name in them, are
// kept apart.
func TestServiceKeysDoNotCollide(t *testing.T) {
	check := []job.Check{{Name: "up", Type: job.CheckScript, Command: "x"}}
	same := func(port string) job.Service { return job.Service{Name: "s", Port: port, Checks: check} }
	got, plan := published(group(func(g *job.Group) {
		g.Services = []job.Service{same(""), same("shared")}
		g.Tasks[0].Services = []job.Service{same(""), same("http"), same("shared")}
		g.Tasks[1].Services = []job.Service{same("")}
		g.Tasks[1].Name = "shared" // a task may be called as a port is
	}), func(in *AllocInput) {
		in.Status.Tasks["shared"] = in.Status.Tasks["side"]
		delete(in.Status.Tasks, "side")
		in.Containers[1].Identity.Task, in.Containers[1].Name = "shared", job.ContainerName("shared", in.Spec.ID)
	})
	if len(got) != 6 {
		t.Errorf("%d of 6 services are published: %v", len(got), got)
	}
	keys := map[string]bool{}
	for _, c := range plan.Checks {
		keys[c.Key] = true
	}
	if len(keys) != 6 {
		t.Errorf("%d of 6 checks run: %v", len(keys), keys)
	}
}

// The worst of its checks is the health of a service.
func TestServiceHealth(t *testing.T) {
	for name, tc := range map[string]struct {
		states []job.CheckStatus
		want   job.CheckStatus
	}{
		"no check":          {nil, job.CheckPassing},
		"all pass":          {[]job.CheckStatus{job.CheckPassing, job.CheckPassing}, job.CheckPassing},
		"one warns":         {[]job.CheckStatus{job.CheckPassing, job.CheckWarning}, job.CheckWarning},
		"one fails":         {[]job.CheckStatus{job.CheckWarning, job.CheckCritical}, job.CheckCritical},
		"one is not known":  {[]job.CheckStatus{job.CheckPassing, job.CheckPending}, job.CheckCritical},
		"one of before":     {[]job.CheckStatus{job.CheckPassing, ""}, job.CheckCritical},
		"fails and unknown": {[]job.CheckStatus{job.CheckCritical, job.CheckPending}, job.CheckCritical},
	} {
		s := job.Service{Name: "s"}
		for i := range tc.states {
			s.Checks = append(s.Checks, job.Check{Name: fmt.Sprint(i), Type: job.CheckScript, Command: "x"})
		}
		states := func(in *AllocInput) {
			in.Group.Tasks[0].Services = []job.Service{s}
			in.Checks = map[string]job.CheckState{}
			in.Services = allocServices(job.Node{}, *in)
			for i, c := range checksOf(in) {
				in.Checks[c.key] = job.CheckState{Status: tc.states[i], Since: t0.Add(-time.Second), Container: "web"}
				if tc.states[i] == "" {
					in.Checks[c.key] = job.CheckState{Status: job.CheckPassing, Since: t0.Add(-time.Second), Container: "older"}
				}
			}
		}
		_, plan := published(states)
		for _, r := range plan.Services {
			if r.Health != tc.want {
				t.Errorf("%s: %s, want %s", name, r.Health, tc.want)
			}
		}
		if len(plan.Services) != 1 {
			t.Errorf("%s: %d services", name, len(plan.Services))
		}
		_, again := published(states)
		if d := cmp.Diff(plan.Services, again.Services); d != "" {
			t.Errorf("%s: not the same a second time: %s", name, d)
		}
	}
}

// A service of the group stands on all of its tasks, one of a task on that.
func TestServiceOfAGroupNeedsAllTasks(t *testing.T) {
	_, plan := published(group(func(g *job.Group) {
		g.Services = []job.Service{{Name: "all"}}
		g.Tasks[0].Services = []job.Service{{Name: "one"}}
	}), func(in *AllocInput) { in.Containers[1].State, in.Containers[1].FinishedAt = observed.Exited, t0 })
	want := map[string]store.ServiceRecord{"one/" + allocA + "/web": {
		Name: "one", Job: "web", Group: "web", Task: "web", Alloc: allocA, Address: "192.0.2.1",
		Health: job.CheckPassing, Since: t0.Add(-time.Minute),
	}}
	if d := cmp.Diff(want, plan.Services); d != "" {
		t.Error(d)
	}
}
