package host

import (
	"maps"
	"slices"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"reconciler/internal/job"
)

// model drives a table with random steps and knows what it must have given.
type model struct {
	world *world
	ports *Ports
	reqs  map[string][]job.PortRequest // what each allocation asks for, always the same
	full  map[string][]job.AllocPort   // answers of Reserve that are live
}

var (
	modelIPs     = []string{"", "10.0.0.1", "127.0.0.1", "0.0.0.0", "::"}
	modelNumbers = []int{20000, 20001, 20002, 20003, 80, 81}
)

func newModel(t *rapid.T) *model {
	m := &model{world: &world{errnos: map[int]error{}}, reqs: map[string][]job.PortRequest{}, full: map[string][]job.AllocPort{}}
	m.ports = table(m.world)
	m.ports.opts.Random = func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "start") }
	for _, id := range []string{"a", "b", "c", "d"} {
		for _, label := range []string{"x", "y", "z"}[:rapid.IntRange(0, 3).Draw(t, "ports of "+id)] {
			r := dynamic(label)
			if rapid.Bool().Draw(t, "static") {
				r = static(label, rapid.SampledFrom(modelNumbers).Draw(t, "number"))
			}
			m.reqs[id] = append(m.reqs[id], on(rapid.SampledFrom(modelIPs).Draw(t, "ip"), r))
		}
	}
	return m
}

func (m *model) alloc(t *rapid.T) string {
	return rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "alloc")
}

// reserve calls the table and checks what holds for every single answer.
func (m *model) reserve(t *rapid.T, id string, statics bool) {
	before := cloneTable(m.ports.table)
	call := m.ports.ReserveDynamic
	if statics {
		call = m.ports.Reserve
	}
	got, err := call(id, m.reqs[id])
	if err != nil {
		if diff := cmp.Diff(before, m.ports.table); diff != "" {
			t.Fatalf("a failed reservation changed the table:\n%s", diff)
		}
		if m.full[id] != nil {
			t.Fatalf("an allocation that has its ports got: %v", err)
		}
		return
	}
	if len(got) != len(m.reqs[id]) {
		t.Fatalf("%d ports for %d requests", len(got), len(m.reqs[id]))
	}
	for i, port := range got {
		m.checkPort(t, m.reqs[id][i], port, statics, slices.Contains(before[id], port))
	}
	if old := m.full[id]; old != nil && !cmp.Equal(old, got) {
		t.Fatalf("ports moved from %v to %v", old, got)
	}
	if statics {
		m.full[id] = got
	}
}

func (m *model) checkPort(t *rapid.T, req job.PortRequest, port job.AllocPort, statics, had bool) {
	if port.Label != req.Label || port.Static != (req.Static != 0) || (port.Static && port.Host != req.Static) {
		t.Fatalf("%+v answers %+v", port, req)
	}
	if !port.Static && (port.Host < 20000 || port.Host > 20003) {
		t.Fatalf("%+v is out of the range", port)
	}
	if had || (port.Static && !statics) {
		return
	}
	if m.world.errnos[port.Host] != nil {
		t.Fatalf("%+v is in use by a process", port)
	}
	for _, pub := range m.world.published {
		if pub.Host == port.Host && overlap(lenientAddr(pub.HostIP), lenientAddr(port.HostIP)) {
			t.Fatalf("%+v is published by %+v", port, pub)
		}
	}
}

// check is the law: no two live reservations overlap, and none is lost.
func (m *model) check(t *rapid.T) {
	type owned struct {
		id string
		job.AllocPort
	}
	var all []owned
	for id, ports := range m.ports.table {
		for _, p := range ports {
			all = append(all, owned{id, p})
		}
	}
	for i, a := range all {
		for _, b := range all[:i] {
			if a.Host == b.Host && overlap(lenientAddr(a.HostIP), lenientAddr(b.HostIP)) {
				t.Fatalf("%+v and %+v overlap", a, b)
			}
		}
	}
	for id, ports := range m.full {
		if len(m.ports.table[id]) != len(ports) {
			t.Fatalf("%s lost ports: has %v, was given %v", id, m.ports.table[id], ports)
		}
	}
}

func cloneTable(t map[string][]job.AllocPort) map[string][]job.AllocPort {
	out := maps.Clone(t)
	for id, ports := range out {
		out[id] = slices.Clone(ports)
	}
	return out
}

func TestPortTableModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(t)
		t.Repeat(map[string]func(*rapid.T){
			"reserve":         func(t *rapid.T) { m.reserve(t, m.alloc(t), true) },
			"reserve dynamic": func(t *rapid.T) { m.reserve(t, m.alloc(t), false) },
			"release": func(t *rapid.T) {
				id := m.alloc(t)
				m.ports.Release(id)
				delete(m.full, id)
			},
			"restart": func(*rapid.T) {
				old := m.ports
				m.ports = table(m.world)
				m.ports.opts = old.opts
				for id, ports := range old.table {
					m.ports.Restore(id, ports)
				}
			},
			"stranger binds": func(t *rapid.T) {
				m.world.errnos[rapid.SampledFrom(modelNumbers).Draw(t, "port")] = syscall.EADDRINUSE
			},
			"strangers go": func(*rapid.T) { m.world.errnos, m.world.published = map[int]error{}, nil },
			"container publishes": func(t *rapid.T) {
				m.world.published = append(m.world.published, PublishedPort{
					HostIP: rapid.SampledFrom(modelIPs).Draw(t, "ip"),
					Host:   rapid.SampledFrom(modelNumbers).Draw(t, "port"), Container: "stranger",
				})
			},
			"": m.check,
		})
	})
}
