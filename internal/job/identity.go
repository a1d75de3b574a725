package job

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// Labels of our containers. A manifest may not set any label under
// LabelPrefix.
const (
	LabelPrefix     = "reconciler."
	LabelNodeID     = "reconciler.node_id"
	LabelNode       = "reconciler.node"
	LabelJob        = "reconciler.job"
	LabelGroup      = "reconciler.group"
	LabelTask       = "reconciler.task"
	LabelAllocID    = "reconciler.alloc_id"
	LabelAllocIndex = "reconciler.alloc_index"
	LabelGeneration = "reconciler.generation"
	LabelAttempt    = "reconciler.attempt"
	LabelSpecHash   = "reconciler.spec_hash"
	LabelPorts      = "reconciler.ports"
	LabelImageOurs  = "reconciler.image_ours"
	LabelType       = "reconciler.type"
)

// Identity is what a container of ours says about itself. It suffices to
// rebuild the allocation table when the state file is lost.
type Identity struct {
	NodeID     string      `json:"node_id"`
	Node       string      `json:"node"`
	Job        string      `json:"job"`
	Group      string      `json:"group"`
	Task       string      `json:"task"`
	AllocID    string      `json:"alloc_id"`
	AllocIndex int         `json:"alloc_index"`
	Generation uint64      `json:"generation"` // made in; not what decides whether it is up to date
	Attempt    int         `json:"attempt"`
	SpecHash   string      `json:"spec_hash"`
	Ports      []AllocPort `json:"ports,omitempty"` // of the whole allocation
	ImageOurs  bool        `json:"image_ours,omitempty"`
	// Type is the job's: whether an exit with 0 is the end of the work. Empty on
	// a container that has no such label: nobody knows.
	Type Type `json:"type,omitempty"`
}

// Labels returns the labels that carry id.
func (id Identity) Labels() map[string]string {
	ports := []byte("[]")
	if len(id.Ports) > 0 {
		b, err := json.Marshal(id.Ports)
		if err != nil {
			panic("job: ports label: " + err.Error()) // strings, numbers and bools only
		}
		ports = b
	}
	labels := map[string]string{
		LabelNodeID:     id.NodeID,
		LabelNode:       id.Node,
		LabelJob:        id.Job,
		LabelGroup:      id.Group,
		LabelTask:       id.Task,
		LabelAllocID:    id.AllocID,
		LabelAllocIndex: strconv.Itoa(id.AllocIndex),
		LabelGeneration: strconv.FormatUint(id.Generation, 10),
		LabelAttempt:    strconv.Itoa(id.Attempt),
		LabelSpecHash:   id.SpecHash,
		LabelPorts:      string(ports),
		LabelImageOurs:  strconv.FormatBool(id.ImageOurs),
	}
	if id.Type != "" {
		labels[LabelType] = string(id.Type)
	}
	return labels
}

// ParseLabels reads the identity of a container. ok is false, without an
// error, for a container that has no node id label: a stranger. A container
// that has one and whose other labels cannot be read gives an error; its
// caller leaves it alone, as a stranger's.
func ParseLabels(labels map[string]string) (id Identity, ok bool, err error) {
	nodeID, ok := labels[LabelNodeID]
	if !ok || nodeID == "" {
		return Identity{}, false, nil
	}
	id = Identity{
		NodeID:   nodeID,
		Node:     labels[LabelNode],
		Job:      labels[LabelJob],
		Group:    labels[LabelGroup],
		Task:     labels[LabelTask],
		AllocID:  labels[LabelAllocID],
		SpecHash: labels[LabelSpecHash],
		Type:     Type(labels[LabelType]),
	}
	for _, l := range []struct{ label, value string }{
		{LabelJob, id.Job}, {LabelGroup, id.Group}, {LabelTask, id.Task}, {LabelAllocID, id.AllocID},
	} {
		if err := CheckName(l.value); err != nil {
			return Identity{}, false, fmt.Errorf("label %s: %w", l.label, err)
		}
	}
	if !strings.Contains(id.SpecHash, ":") {
		return Identity{}, false, fmt.Errorf("label %s: %q has no version", LabelSpecHash, id.SpecHash)
	}
	if id.AllocIndex, err = parseCount(labels, LabelAllocIndex); err != nil {
		return Identity{}, false, err
	}
	if id.Attempt, err = parseCount(labels, LabelAttempt); err != nil {
		return Identity{}, false, err
	}
	if id.Generation, err = strconv.ParseUint(labels[LabelGeneration], 10, 64); err != nil {
		return Identity{}, false, fmt.Errorf("label %s: %w", LabelGeneration, err)
	}
	if p := labels[LabelPorts]; p != "" && p != "[]" {
		if err := json.Unmarshal([]byte(p), &id.Ports); err != nil {
			return Identity{}, false, fmt.Errorf("label %s: %w", LabelPorts, err)
		}
		if err := checkPorts(id.Ports); err != nil {
			return Identity{}, false, fmt.Errorf("label %s: %w", LabelPorts, err)
		}
	}
	if v := labels[LabelImageOurs]; v != "" {
		if id.ImageOurs, err = strconv.ParseBool(v); err != nil {
			return Identity{}, false, fmt.Errorf("label %s: %w", LabelImageOurs, err)
		}
	}
	return id, true, nil
}

// maxPort is the highest TCP and UDP port.
const maxPort = 65535

// checkPorts finds a number that is no port. To may be 0: the port has the
// number that it has on the host.
func checkPorts(ports []AllocPort) error {
	for _, p := range ports {
		if p.Host < 1 || p.Host > maxPort {
			return fmt.Errorf("port %q: %d is no port on a host (1 to %d)", p.Label, p.Host, maxPort)
		}
		if p.To < 0 || p.To > maxPort {
			return fmt.Errorf("port %q: %d is no port in a container (0 to %d)", p.Label, p.To, maxPort)
		}
	}
	return nil
}

func parseCount(labels map[string]string, label string) (int, error) {
	n, err := strconv.Atoi(labels[label])
	if err != nil {
		return 0, fmt.Errorf("label %s: %w", label, err)
	}
	if n < 0 {
		return 0, fmt.Errorf("label %s: %d is negative", label, n)
	}
	return n, nil
}

// ContainerName is the name of a task's current container.
func ContainerName(task, allocID string) string { return task + "-" + allocID }

// DeadContainerName is the name of the container of an earlier attempt that
// is kept for its logs.
func DeadContainerName(task, allocID string, attempt int) string {
	return task + "-" + allocID + "-" + strconv.Itoa(attempt)
}
