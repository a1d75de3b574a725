package job

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
