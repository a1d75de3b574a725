package agent

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"reconciler/internal/host"
)

// TestNodeFollows: the attributes are read again when dockerd comes back; the
// address of the ports stays.
func TestNodeFollows(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.Stop()
		a, err := New(r.options())
		if err != nil {
			t.Fatal(err)
		}
		var changed atomic.Bool
		a.node.read = func() map[string]string {
			if changed.Load() {
				return map[string]string{host.AttrKernelVer: "99.0", host.AttrHostAddress: "10.9.9.9"}
			}
			return host.Attributes()
		}
		r.run(a)
		time.Sleep(time.Minute)
		if v, ok := a.node.get().Attributes["driver.docker.version"]; ok {
			t.Errorf("an engine that was never seen has the version %s", v)
		}
		r.Start()
		time.Sleep(time.Minute)
		if got := a.node.get().Attributes; got["driver.docker"] != "1" || got["driver.docker.version"] == "" || got["driver.docker.bridge_ip"] == "" {
			t.Errorf("attributes of the engine are missing: %v", got)
		}
		r.Stop()
		time.Sleep(time.Minute)
		changed.Store(true)
		r.Start()
		time.Sleep(time.Minute)
		got := a.node.get()
		if got.Attributes[host.AttrKernelVer] != "99.0" || got.Attributes[host.AttrCPUCores] != "" {
			t.Errorf("after dockerd came back: %v", got.Attributes)
		}
		if addr := got.Attributes[host.AttrHostAddress]; addr != r.cfg.Client.NetworkIP {
			t.Errorf("the address moved to %s", addr)
		}
		// Who asks gets a copy.
		got.Attributes[host.AttrKernelVer] = "mine"
		if a.node.get().Attributes[host.AttrKernelVer] != "99.0" {
			t.Error("a placement can write to the attributes")
		}
	})
}

// TestPageHasTheAttributes: every attribute has a row in the page of the
// agent, and every row is one.
func TestPageHasTheAttributes(t *testing.T) {
	page, err := os.ReadFile("../../docs/agent.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := cutSection(string(page), "## Attributes of this host")
	if !ok {
		t.Fatal("docs/agent.md has no attributes")
	}
	var have []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]*)` \\|").FindAllStringSubmatch(table, -1) {
		have = append(have, m[1])
	}
	known := []string{
		host.AttrCPUArch, host.AttrCPUFreq, host.AttrCPUCores, host.AttrMemory, host.AttrKernel, host.AttrKernelVer,
		host.AttrOS, host.AttrOSVersion, host.AttrHostname, host.AttrHostAddress,
		"driver.docker", "driver.docker.version", "driver.docker.bridge_ip",
	}
	slices.Sort(have)
	slices.Sort(known)
	if diff := cmp.Diff(known, have); diff != "" {
		t.Errorf("docs/agent.md: one row for each attribute (-the code +the page):\n%s", diff)
	}
	for _, name := range slices.Sorted(maps.Keys(host.Attributes())) {
		if !slices.Contains(known, name) {
			t.Errorf("this host has the attribute %s, which has no row", name)
		}
	}
}

// cutSection returns what stands before a heading and what under it.
func cutSection(page, heading string) (before, under string, ok bool) {
	loc := regexp.MustCompile("(?m)^" + regexp.QuoteMeta(heading) + "$").FindStringIndex(page)
	if loc == nil {
		return page, "", false
	}
	under = page[loc[1]:]
	if next := regexp.MustCompile("(?m)^## ").FindStringIndex(under); next != nil {
		under = under[:next[0]]
	}
	return page[:loc[0]], under, true
}
