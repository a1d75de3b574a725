package job

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestKeepLoaded(t *testing.T) {
	tests := []struct {
		name, load string
		artifact   Artifact
		kept       bool
	}{
		{"as on the page", "redis.tar", Artifact{Source: "http://path.to/redis.tar"}, true},
		{"with parameters", "redis.tar", Artifact{Source: "http://path.to/redis.tar?token=a/b"}, true},
		{"a file", "redis.tar", Artifact{Source: "file:///srv/redis.tar", Destination: "local"}, true},
		{"the container's path", "redis.tar", Artifact{Source: "/srv/redis.tar", Destination: "/local/"}, true},
		{"in a directory", "img/redis.tgz", Artifact{Source: "http://h/redis.tgz", Destination: "local/img"}, true},
		{"with a name of its own", "r.tar", Artifact{Source: "http://h/x.tar", Options: map[string]string{"filename": "r.tar"}}, true},
		{"mode file", "r.tar", Artifact{Source: "http://h/x.tar", Destination: "local/r.tar", Mode: ArtifactFile}, true},
		{"another file", "redis.tar", Artifact{Source: "http://path.to/conf.tar"}, false},
		{"another directory", "redis.tar", Artifact{Source: "http://h/redis.tar", Destination: "data"}, false},
		{"in an archive", "redis.tar", Artifact{Source: "http://h/redis.tar.gz"}, false},
		{"said otherwise", "redis.tar", Artifact{Source: "http://h/redis.tar", Options: map[string]string{"archive": "tar"}}, false},
		{"absolute", "/srv/redis.tar", Artifact{Source: "http://h/srv/redis.tar"}, false},
		{"no load", "", Artifact{Source: "http://h/redis.tar"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			given := []Artifact{{Source: "http://h/first"}, tt.artifact}
			before := len(tt.artifact.Options)
			got := KeepLoaded(given, tt.load)
			if kept := got[1].Options["archive"] == "false"; kept != tt.kept {
				t.Errorf("kept: %v, want %v (%v)", kept, tt.kept, got)
			}
			if diff := cmp.Diff(given[0], got[0]); diff != "" || len(tt.artifact.Options) != before {
				t.Errorf("something else was changed: %s %v", diff, tt.artifact.Options)
			}
		})
	}
}
