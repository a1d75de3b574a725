package job

import (
	"cmp"
	"maps"
	"path"
	"slices"
	"strings"
)

// Modes of an Artifact (go-getter's client modes).
const (
	ArtifactAny  = "any" // an archive is unpacked, anything else is one file
	ArtifactFile = "file"
	ArtifactDir  = "dir"
)

// DefaultArtifactDestination is where an artifact goes, relative to the
// task's directory.
const DefaultArtifactDestination = "local/"

// Artifact is a file or an archive that is fetched into the task's directory
// before its first container is made. Source, Destination and the options may
// hold runtime names.
type Artifact struct {
	Source      string            `json:"source"`
	Destination string            `json:"destination,omitempty"` // empty is DefaultArtifactDestination
	Options     map[string]string `json:"options,omitempty"`     // checksum and others of go-getter
	Mode        string            `json:"mode,omitempty"`        // empty is ArtifactAny
}

// KeepLoaded returns the artifacts of a task whose config has load, with those
// left packed that load names: what Docker loads is an archive. One whose
// options say how it is unpacked is left as it is, and so are all if load is
// empty or absolute. Runtime names in them are resolved.
func KeepLoaded(artifacts []Artifact, load string) []Artifact {
	if load == "" || path.IsAbs(load) {
		return artifacts
	}
	out := slices.Clone(artifacts)
	for i, a := range out {
		_, said := a.Options[optionArchive]
		if said || a.lands() != path.Join(DefaultArtifactDestination, load) {
			continue
		}
		out[i].Options = maps.Clone(a.Options)
		if out[i].Options == nil {
			out[i].Options = map[string]string{}
		}
		out[i].Options[optionArchive] = "false"
	}
	return out
}

// optionArchive says how an artifact is unpacked; "false" is not at all.
const optionArchive = "archive"

// lands is where a is, relative to the task's directory, if it is one file.
func (a Artifact) lands() string {
	dest := strings.TrimPrefix(cmp.Or(a.Destination, DefaultArtifactDestination), "/")
	if a.Mode == ArtifactFile {
		return path.Clean(dest)
	}
	name, _, _ := strings.Cut(a.Source, "?")
	return path.Join(dest, cmp.Or(a.Options["filename"], path.Base(name)))
}
