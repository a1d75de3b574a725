package gc

import (
	"strings"

	"reconciler/internal/imageref"
	"reconciler/observed"
)

// refKey is what two spellings of one reference share: "name:tag@digest" is
// what the engine lists as "name@digest".
func refKey(ref string) string {
	if name, digest, ok := strings.Cut(ref, "@"); ok {
		return repository(name) + "@" + digest
	}
	return ref
}

// repository is a canonical reference without its tag and digest. A colon
// before the last slash belongs to the registry's port.
func repository(ref string) string {
	name, _, _ := strings.Cut(ref, "@")
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		return name[:i]
	}
	return name
}

// canonical reads a reference as a container names it. ok is false for an id.
func canonical(image string) (ref string, ok bool) {
	if image == "" || strings.HasPrefix(image, "sha256:") {
		return "", false
	}
	ref, err := imageref.Parse(image)
	return ref, err == nil
}

// has reports whether img carries ref.
func has(img observed.Image, ref string) bool {
	for _, r := range img.Refs {
		if refKey(r) == refKey(ref) {
			return true
		}
	}
	return false
}
