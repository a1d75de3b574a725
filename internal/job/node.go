package job

import "strconv"

// AttrCPUFrequency names the attribute that tells the speed of one core in
// MHz.
const AttrCPUFrequency = "cpu.frequency"

// AttrHostAddress names the attribute that tells the address of the host.
const AttrHostAddress = "unique.network.ip-address"

// DefaultCoreMHz is the speed of a core that no one tells: a thousand CPU
// shares are about one GHz.
const DefaultCoreMHz = 1000

// Node is this host, as constraints, interpolation and labels see it.
type Node struct {
	ID         string            `json:"id"`         // decides ownership; label reconciler.node_id
	Name       string            `json:"name"`       // for people; label reconciler.node
	Datacenter string            `json:"datacenter"` // dc1 unless configured
	Region     string            `json:"region"`     // global unless configured
	Class      string            `json:"class,omitempty"`
	Meta       map[string]string `json:"meta,omitempty"`
	Attributes map[string]string `json:"attributes,omitempty"` // without the "attr." prefix
}

// CoreMHz is the speed of one core of the node.
func (n Node) CoreMHz() int {
	if mhz, err := strconv.Atoi(n.Attributes[AttrCPUFrequency]); err == nil && mhz > 0 {
		return mhz
	}
	return DefaultCoreMHz
}
