package docker

import (
	"github.com/distribution/reference"
)

// apiRef is a canonical reference in the form that every call of the engine
// understands: of name:tag@digest, which some calls refuse and others look up
// by its tag, the tag is left out.
func apiRef(canonical string) string {
	named, err := reference.ParseNormalizedNamed(canonical)
	if err != nil {
		return canonical // the engine will say what is wrong with it
	}
	digested, ok := named.(reference.Digested)
	if !ok {
		return canonical
	}
	bare, err := reference.WithDigest(reference.TrimNamed(named), digested.Digest())
	if err != nil {
		return canonical
	}
	return bare.String()
}

// repository is the name of a reference without tag and digest.
func repository(ref string) string {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return ref
	}
	return named.Name()
}
