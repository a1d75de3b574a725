package job

import (
	"fmt"
	"regexp"
)

// maxName bounds a name so that "{task}-{alloc id}-{attempt}" stays a host
// name that Docker takes (it cuts none, and a DNS label has 63 octets, but
// container names may be longer; 128 is Nomad's bound for a job's id).
const maxName = 128

var (
	// nameRE is what Docker takes in a container name
	// (moby daemon/names: [a-zA-Z0-9][a-zA-Z0-9_.-]).
	nameRE = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]*$`)
	// portLabelRE is what can stand in NOMAD_PORT_<label>.
	portLabelRE = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)
	// serviceRE is a label of a DNS name (RFC 1123), which is what Nomad and
	// Consul take.
	serviceRE = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$`)
)

// CheckName reports why name cannot name a job, group or task.
func CheckName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("a name must not be empty")
	case len(name) > maxName:
		return fmt.Errorf("a name may have %d characters, this one has %d", maxName, len(name))
	case !nameRE.MatchString(name):
		return fmt.Errorf("%q cannot be part of a container name: use letters, digits, '_', '.' and '-', and begin with a letter or digit", name)
	}
	return nil
}

// CheckPortLabel reports why label cannot name a port.
func CheckPortLabel(label string) error {
	if !portLabelRE.MatchString(label) {
		return fmt.Errorf("%q is no port label: use letters, digits, '_' and '-'", label)
	}
	return nil
}

// CheckServiceName reports why name, in which every runtime name is resolved,
// cannot name a service.
func CheckServiceName(name string) error {
	if !serviceRE.MatchString(name) {
		return fmt.Errorf("%q is no name of a service: use up to 63 letters, digits and '-', with a letter or digit at both ends", name)
	}
	return nil
}
