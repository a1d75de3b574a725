package imageref

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/distribution/reference"
)

// tagLatest is the tag that an image without one means, and the only one that
// is asked for anew (see Latest).
const tagLatest = "latest"

// imageID is an id as docker images prints it in full. As a reference it would be
// the tag of a repository called sha256.
var imageID = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// Parse returns the canonical form of image as a manifest has it: "redis"
// becomes "docker.io/library/redis:latest". A leading "https://" is removed,
// since old manifests carry it; "http://" is an error, because whether a
// registry is spoken to without TLS is dockerd's decision. A digest is kept,
// beside a tag if there is one; a digest without a tag gets none.
func Parse(image string) (string, error) {
	if strings.TrimSpace(image) == "" {
		return "", fmt.Errorf("image: the name is empty; write one such as \"redis:7\"")
	}
	if strings.TrimSpace(image) != image {
		return "", fmt.Errorf("image %q: there are blanks around the name; remove them", image)
	}
	name := strings.TrimPrefix(image, "https://")
	if strings.HasPrefix(name, "http://") {
		return "", fmt.Errorf("image %q: remove \"http://\"; to use a registry without TLS, list it in dockerd's insecure-registries", image)
	}
	if imageID.MatchString(name) {
		return "", fmt.Errorf("image %q is the id of an image, which no registry knows it by; write its name, with \"@\" and its digest if need be", image)
	}
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return "", fmt.Errorf("image %q: %w; write one such as \"redis:7\", \"registry.example.com:5000/team/app:1.4\" or \"redis@sha256:…\"", image, err)
	}
	return reference.TagNameOnly(named).String(), nil
}

// Latest reports whether canonical names the tag "latest" and no digest: the
// images that are asked for anew once per change of the spec.
func Latest(canonical string) bool {
	named, err := reference.ParseNormalizedNamed(canonical)
	if err != nil {
		return false
	}
	if _, ok := named.(reference.Digested); ok {
		return false
	}
	tagged, ok := reference.TagNameOnly(named).(reference.Tagged)
	return ok && tagged.Tag() == tagLatest
}

// Familiar returns canonical as people write it: "redis:latest". What is no
// reference comes back as it is.
func Familiar(canonical string) string {
	named, err := reference.ParseNormalizedNamed(canonical)
	if err != nil {
		return canonical
	}
	return reference.FamiliarString(named)
}

// Domain returns the registry host of canonical, with its port if it names
// one: "docker.io", "127.0.0.1:5000". It is empty for what is no reference.
func Domain(canonical string) string {
	named, err := reference.ParseNormalizedNamed(canonical)
	if err != nil {
		return ""
	}
	return reference.Domain(named)
}
