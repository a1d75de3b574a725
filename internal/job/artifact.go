package job

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
