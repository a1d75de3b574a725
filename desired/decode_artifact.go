package desired

import (
	"encoding/hex"
	"fmt"
	"net/url"
	"path"
	"strings"

	"reconciler/internal/job"
)

// artifacts decodes artifact blocks, each of which is one more.
func (l *loader) artifacts(dst *[]job.Artifact) func([]item) {
	return func(items []item) {
		for _, it := range items {
			s, ok := l.blockOf(it)
			if !ok {
				continue
			}
			before := len(l.diags)
			if a := l.artifact(s); len(l.diags) == before {
				*dst = append(*dst, a)
			}
		}
	}
}

// artifact decodes one artifact. What is at its default is left out, so that
// it is the same as not written.
func (l *loader) artifact(s section) job.Artifact {
	var a job.Artifact
	mode := job.ArtifactAny
	l.decode(s, "artifact", fields{
		"source":      l.checked(&a.Source, checkSource),
		"destination": l.checked(&a.Destination, checkDestination),
		"options":     l.checkedMap(&a.Options, checkGetterOption),
		"mode":        l.word(&mode, job.ArtifactAny, job.ArtifactFile, job.ArtifactDir),
	})
	at := valuePlaces(s)
	if _, there := at["source"]; !there {
		l.errorf(s.at, "Missing source", "an artifact needs to come from somewhere. Write source = \"https://…\", or an absolute path.")
	}
	if a.Destination == path.Clean(job.DefaultArtifactDestination) {
		a.Destination = ""
	}
	if mode == job.ArtifactFile && a.Destination == "" {
		l.errorf(firstOf(at, s.at, "destination", "mode"), "Missing file name", "with mode = \"file\" the destination is the name of the file, below the task's directory. Write destination = \"local/NAME\".")
	}
	a.Mode = unlessDefault(mode, job.ArtifactAny)
	return a
}

// getters are the ways of go-getter that need a program or a cloud's account.
// Their names stand before "::" or "://", or are meant by what follows.
var (
	otherGetters = []string{"gcs", "git", "hg", "s3", "sftp", "smb", "ssh", "svn"}
	otherHosts   = map[string]string{"github.com/": "git", "gitlab.com/": "git", "bitbucket.org/": "git", "git@": "git"}
)

const whichGetters = "What works is http://, https:// and an absolute path on the host, also as file://"

// checkSource checks where an artifact comes from, as far as its text tells.
// No message holds the text, which may hold a password.
func checkSource(s string) (string, error) {
	rest := s
	for _, forced := range []string{"file::", "http::", "https::"} {
		rest = strings.TrimPrefix(rest, forced)
	}
	if getter := getterOf(rest); getter != "" {
		return "", fmt.Errorf("source: %q is a way to fetch artifacts that reconciler does not have. %s", getter, whichGetters)
	}
	if path.IsAbs(rest) {
		return s, nil
	}
	u, err := url.Parse(rest)
	switch {
	case err != nil:
		return "", fmt.Errorf("source: this is no URL. %s", whichGetters)
	case u.Scheme == "file" && path.IsAbs(u.Path) && u.Host == "":
	case u.Scheme == "http" && u.Host != "", u.Scheme == "https" && u.Host != "":
	case u.Scheme == "":
		return "", fmt.Errorf("source: a path must be absolute: there is no directory that it could begin in. %s", whichGetters)
	case u.Scheme == "file" || u.Scheme == "http" || u.Scheme == "https":
		return "", fmt.Errorf("source: this URL says no host, or no absolute path. %s", whichGetters)
	default:
		return "", fmt.Errorf("source: %q is no known protocol. %s", u.Scheme, whichGetters)
	}
	return s, nil
}

// getterOf names the way of fetching, of those that are not ours, that s asks
// for.
func getterOf(s string) string {
	for _, g := range otherGetters {
		if strings.HasPrefix(s, g+"::") || strings.HasPrefix(s, g+"://") {
			return g
		}
	}
	for host, g := range otherHosts {
		if strings.HasPrefix(s, host) {
			return g
		}
	}
	if scheme, _, forced := strings.Cut(s, "::"); forced && !strings.ContainsAny(scheme, "/?:@") {
		return scheme
	}
	return ""
}

// checkDestination checks that a destination lies in the task's directory.
func checkDestination(s string) (string, error) {
	clean := path.Clean(s)
	switch {
	case path.IsAbs(s):
		return "", fmt.Errorf("destination is a path below the task's directory, such as \"local/data\", not %q, which is absolute", s)
	case clean == ".." || strings.HasPrefix(clean, "../"):
		return "", fmt.Errorf("destination %q leads out of the task's directory. Write a path below it, such as \"local/data\"", s)
	}
	return clean, nil
}

// checksumBytes is the length of the sums that go-getter makes.
var checksumBytes = map[string]int{"md5": 16, "sha1": 20, "sha256": 32, "sha512": 64}

// checkGetterOption checks the one option of go-getter whose form is known.
func checkGetterOption(key, value string) error {
	if key != "checksum" {
		return nil
	}
	kind, sum, ok := strings.Cut(value, ":")
	if ok && kind == "file" && sum != "" {
		return nil
	}
	want, known := checksumBytes[kind]
	switch {
	case !ok || !known:
		return fmt.Errorf("checksum %q is not TYPE:VALUE with the type md5, sha1, sha256 or sha512, and not file:URL", value)
	default:
		if raw, err := hex.DecodeString(sum); err != nil || len(raw) != want {
			return fmt.Errorf("checksum: a %s sum has %d hexadecimal digits, not %q", kind, 2*want, sum)
		}
	}
	return nil
}
