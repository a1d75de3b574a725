package job

import (
	"maps"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// genName makes what CheckName takes.
func genName() *rapid.Generator[string] {
	return rapid.StringMatching(`[a-zA-Z0-9][a-zA-Z0-9_.-]{0,40}`)
}

func genIdentity() *rapid.Generator[Identity] {
	return rapid.Custom(func(t *rapid.T) Identity {
		return Identity{
			NodeID:     rapid.StringMatching(`[0-9a-f-]{1,36}`).Draw(t, "node id"),
			Node:       rapid.String().Draw(t, "node"),
			Job:        genName().Draw(t, "job"),
			Group:      genName().Draw(t, "group"),
			Task:       genName().Draw(t, "task"),
			AllocID:    genName().Draw(t, "alloc"),
			AllocIndex: rapid.IntRange(0, 1<<31-1).Draw(t, "index"),
			Generation: rapid.Uint64().Draw(t, "generation"),
			Attempt:    rapid.IntRange(0, 1<<31-1).Draw(t, "attempt"),
			SpecHash:   "v1:" + rapid.StringMatching(`[0-9a-f]{0,64}`).Draw(t, "hash"),
			ImageOurs:  rapid.Bool().Draw(t, "image ours"),
			Type:       rapid.SampledFrom([]Type{"", TypeService, TypeBatch, "of a later version"}).Draw(t, "type"),
			Ports: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) AllocPort {
				return AllocPort{
					Label:  rapid.StringMatching(`[A-Za-z0-9_-]{1,20}`).Draw(t, "label"),
					Task:   rapid.OneOf(rapid.Just(""), genName()).Draw(t, "task"),
					HostIP: rapid.SampledFrom([]string{"", "127.0.0.1", "::1", "192.0.2.7"}).Draw(t, "ip"),
					Host:   rapid.IntRange(1, 65535).Draw(t, "host"),
					To:     rapid.IntRange(1, 65535).Draw(t, "to"),
					Static: rapid.Bool().Draw(t, "static"),
				}
			}), 0, 4).Draw(t, "ports"),
		}
	})
}

func TestIdentityLabelsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := genIdentity().Draw(t, "identity")
		labels := id.Labels()
		// What an image or a person has set beside ours changes nothing.
		for k, v := range rapid.MapOf(rapid.StringMatching(`[a-z.]{1,12}`), rapid.String()).Draw(t, "others") {
			if !strings.HasPrefix(k, LabelPrefix) {
				labels[k] = v
			}
		}
		got, ok, err := ParseLabels(labels)
		if !ok || err != nil {
			t.Fatalf("ParseLabels(%v) = %v, %v", labels, ok, err)
		}
		if diff := cmp.Diff(id, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	})
}

// TestIdentityLabelsComplete: every label has our prefix, so that a manifest
// cannot set one, and none is left out.
func TestIdentityLabelsComplete(t *testing.T) {
	labels := Identity{Type: TypeBatch}.Labels()
	for k := range labels {
		if !strings.HasPrefix(k, LabelPrefix) {
			t.Errorf("label %q is outside %q", k, LabelPrefix)
		}
	}
	for _, k := range []string{
		LabelNodeID, LabelNode, LabelJob, LabelGroup, LabelTask, LabelAllocID, LabelAllocIndex,
		LabelGeneration, LabelAttempt, LabelSpecHash, LabelPorts, LabelImageOurs, LabelType,
	} {
		if _, ok := labels[k]; !ok {
			t.Errorf("label %q is missing", k)
		}
	}
}

func goodLabels() map[string]string {
	return Identity{
		NodeID: "n", Node: "host", Job: "web", Group: "web", Task: "main", AllocID: "a1",
		AllocIndex: 1, Generation: 7, Attempt: 2, SpecHash: "v1:00",
		Ports: []AllocPort{{Label: "http", Host: 20000, To: 80}},
	}.Labels()
}

func TestParseLabelsOfStrangers(t *testing.T) {
	noNode, emptyNode := goodLabels(), goodLabels()
	delete(noNode, LabelNodeID)
	emptyNode[LabelNodeID] = ""
	for name, labels := range map[string]map[string]string{
		"none": nil, "empty": {}, "others": {"com.example": "1"}, "no node id": noNode, "empty node id": emptyNode,
	} {
		if id, ok, err := ParseLabels(labels); ok || err != nil || !cmp.Equal(id, Identity{}) {
			t.Errorf("%s: ParseLabels = %+v, %v, %v, want a stranger", name, id, ok, err)
		}
	}
}

func TestParseLabelsDamaged(t *testing.T) {
	for _, tt := range []struct{ label, value string }{
		{LabelJob, ""},
		{LabelJob, "../etc"},
		{LabelJob, strings.Repeat("a", maxName+1)},
		{LabelGroup, "a b"},
		{LabelTask, "-a"},
		{LabelAllocID, "a/b"},
		{LabelAllocIndex, ""},
		{LabelAllocIndex, "-1"},
		{LabelAllocIndex, "one"},
		{LabelAttempt, "1.5"},
		{LabelAttempt, "99999999999999999999"},
		{LabelGeneration, "-1"},
		{LabelGeneration, strconv.Itoa(1) + " "},
		{LabelSpecHash, "00"},
		{LabelSpecHash, ""},
		{LabelPorts, "{"},
		{LabelPorts, `{"label":"http"}`},
		{LabelPorts, `[{"host":"many"}]`},
		{LabelPorts, `[{"label":"http","to":80}]`},
		{LabelPorts, `[{"label":"http","host":0,"to":80}]`},
		{LabelPorts, `[{"label":"http","host":-1,"to":80}]`},
		{LabelPorts, `[{"label":"http","host":65536,"to":80}]`},
		{LabelPorts, `[{"label":"http","host":20000,"to":-1}]`},
		{LabelPorts, `[{"label":"http","host":20000,"to":65536}]`},
		{LabelPorts, `[{"label":"good","host":1,"to":1},{"label":"bad","host":0,"to":1}]`},
		{LabelPorts, `[null]`},
		{LabelImageOurs, "perhaps"},
	} {
		labels := goodLabels()
		labels[tt.label] = tt.value
		id, ok, err := ParseLabels(labels)
		if ok || err == nil {
			t.Errorf("%s=%q: ParseLabels = %+v, %v, %v, want an error", tt.label, tt.value, id, ok, err)
			continue
		}
		if !strings.Contains(err.Error(), tt.label) {
			t.Errorf("%s=%q: the error %q does not name the label", tt.label, tt.value, err)
		}
	}
}

// TestParseLabelsWithoutOptional: what an older agent may not have written.
func TestParseLabelsWithoutOptional(t *testing.T) {
	labels := goodLabels()
	for _, k := range []string{LabelNode, LabelPorts, LabelImageOurs} {
		delete(labels, k)
	}
	id, ok, err := ParseLabels(labels)
	if !ok || err != nil || id.Ports != nil || id.ImageOurs || id.Job != "web" {
		t.Errorf("ParseLabels = %+v, %v, %v", id, ok, err)
	}
}

func TestParseLabelsPortBounds(t *testing.T) {
	want := []AllocPort{{Label: "low", Host: 1, To: 0}, {Label: "high", Host: 65535, To: 65535}}
	labels := goodLabels()
	labels[LabelPorts] = `[{"label":"low","host":1},{"label":"high","host":65535,"to":65535}]`
	id, ok, err := ParseLabels(labels)
	if !ok || err != nil || !cmp.Equal(id.Ports, want) {
		t.Errorf("ParseLabels = %+v, %v, %v, want the ports %+v", id, ok, err, want)
	}
}

// TestParseLabelsNeverHalf: whatever is damaged, the answer is ours as it
// stands, a stranger, or an error; never an error with an identity to act on.
func TestParseLabelsNeverHalf(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		labels := genIdentity().Draw(t, "identity").Labels()
		keys := rapid.SliceOfN(rapid.SampledFrom(presentKeys(labels)), 1, 3).Draw(t, "damaged")
		for _, k := range keys {
			if rapid.Bool().Draw(t, "lost") {
				delete(labels, k)
			} else {
				labels[k] = rapid.String().Draw(t, "value")
			}
		}
		checkParse(t, labels)
	})
}

func FuzzParseLabels(f *testing.F) {
	g := goodLabels()
	seed := func(l map[string]string) {
		f.Add(l[LabelNodeID], l[LabelJob], l[LabelTask], l[LabelAllocID], l[LabelAllocIndex], l[LabelGeneration], l[LabelAttempt], l[LabelSpecHash], l[LabelPorts], l[LabelImageOurs])
	}
	seed(g)
	seed(Identity{}.Labels())
	f.Add("n", "a", "a", "a", "0", "18446744073709551615", "1", "v1:", `[{"label":"x","host":1e9},null]`, "T")
	f.Fuzz(func(t *testing.T, node, jobName, task, alloc, index, generation, attempt, hash, ports, imageOurs string) {
		checkParse(t, map[string]string{
			LabelNodeID: node, LabelNode: node, LabelJob: jobName, LabelGroup: jobName, LabelTask: task, LabelAllocID: alloc,
			LabelAllocIndex: index, LabelGeneration: generation, LabelAttempt: attempt, LabelSpecHash: hash,
			LabelPorts: ports, LabelImageOurs: imageOurs,
		})
	})
}

// checkParse holds ParseLabels to what it promises of any labels.
func checkParse(t interface {
	Fatalf(format string, args ...any)
}, labels map[string]string,
) {
	before := maps.Clone(labels)
	id, ok, err := ParseLabels(labels)
	if !maps.Equal(before, labels) {
		t.Fatalf("ParseLabels changed its argument: %v, was %v", labels, before)
	}
	if !ok {
		if !cmp.Equal(id, Identity{}) {
			t.Fatalf("an identity, %+v, of what is not ours (%v)", id, err)
		}
		return
	}
	if err != nil {
		t.Fatalf("ok and the error %v", err)
	}
	for _, name := range []string{id.Job, id.Group, id.Task, id.AllocID} {
		if CheckName(name) != nil {
			t.Fatalf("the name %q was let through", name)
		}
	}
	for _, p := range id.Ports {
		if p.Host < 1 || p.Host > 65535 || p.To < 0 || p.To > 65535 {
			t.Fatalf("the port %+v was let through", p)
		}
	}
	again, ok, err := ParseLabels(id.Labels())
	if !ok || err != nil || !cmp.Equal(id, again, cmpopts.EquateEmpty()) {
		t.Fatalf("%+v does not survive its own labels: %+v, %v, %v", id, again, ok, err)
	}
}

func presentKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for _, k := range []string{
		LabelNodeID, LabelNode, LabelJob, LabelGroup, LabelTask, LabelAllocID, LabelAllocIndex,
		LabelGeneration, LabelAttempt, LabelSpecHash, LabelPorts, LabelImageOurs, LabelType,
	} {
		if _, ok := m[k]; ok {
			keys = append(keys, k)
		}
	}
	return keys
}

func TestContainerNames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		task, alloc := genName().Draw(t, "task"), genName().Draw(t, "alloc")
		attempt := rapid.IntRange(1, 1000).Draw(t, "attempt")
		current, dead := ContainerName(task, alloc), DeadContainerName(task, alloc, attempt)
		if current == dead || !strings.HasPrefix(dead, current+"-") {
			t.Fatalf("%q and %q", current, dead)
		}
		for _, n := range []string{current, dead} {
			if !nameRE.MatchString(n) {
				t.Fatalf("Docker takes no container name %q", n)
			}
		}
	})
}
