package job

import (
	"slices"
	"strings"
)

// KnownNodeName reports whether ${name} can be something of this host, which
// is all that a constraint may ask about: an attribute, a meta key of the node
// or of the job, or an environment variable that is not ours (any key may be
// there). The names of an allocation are not: a constraint decides before
// there is one.
func KnownNodeName(name string) bool {
	if key, ok := indexed(name, "env"); ok {
		return key != "" && !strings.HasPrefix(key, "NOMAD_")
	}
	return !strings.HasPrefix(name, "NOMAD_") && KnownRuntimeName(name, nil)
}

// NodeNames lists the names that KnownNodeName knows by heart, sorted, for
// "did you mean".
func NodeNames() []string {
	return slices.DeleteFunc(RuntimeNames(nil), func(name string) bool { return strings.HasPrefix(name, "NOMAD_") })
}
