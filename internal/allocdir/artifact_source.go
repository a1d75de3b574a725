package allocdir

import (
	"fmt"
	"net/url"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/go-getter/v2"

	"reconciler/internal/job"
)

// Parameters of a source that are ours to read, as in go-getter; all others go
// to the server.
const (
	paramArchive  = "archive"
	paramChecksum = "checksum"
	paramFilename = "filename"
)

// forced is go-getter's "getter::source".
var forced = regexp.MustCompile(`^([A-Za-z0-9]+)::(.+)$`)

// containerDirs are the directories of a container in which an artifact may be
// put by the path that the container knows.
var containerDirs = []string{"/" + localName, "/" + secretsName}

// source is an artifact as it was understood.
type source struct {
	url     *url.URL // of http or https; nil for a path
	path    string   // absolute, on the host
	subdir  string   // the part of an archive or directory that is wanted
	archive string   // one of archives; empty is a file or a directory as it is
	// archiveAsked says that the kind comes from an option, not from the name.
	archiveAsked bool
	checksum     string // as go-getter reads it
	mode         string // of job.Artifact, never empty
	dest         string // relative to the task's directory
	name         string // of a file in dest; a file that is dest itself has none
}

// parseSource reads an artifact. Files of the host are refused unless local.
func parseSource(a job.Artifact, local bool) (source, error) {
	s := source{mode: a.Mode}
	if s.mode == "" {
		s.mode = job.ArtifactAny
	}
	if !slices.Contains([]string{job.ArtifactAny, job.ArtifactFile, job.ArtifactDir}, s.mode) {
		return s, invalid("mode %q: it is any, file or dir", a.Mode)
	}
	params, err := s.parseLocation(a)
	if err != nil {
		return s, err
	}
	s.checksum = params.Get(paramChecksum)
	option := params.Get(paramArchive)
	s.archiveAsked = option != ""
	if s.archive, err = archiveOf(option, s.location()); err != nil {
		return s, err
	}
	if s.dest, err = destination(a.Destination); err != nil {
		return s, err
	}
	if err := s.setName(params.Get(paramFilename)); err != nil {
		return s, err
	}
	return s, s.check(local)
}

// parseLocation finds where the source is and returns its parameters: those
// that it is written with, and the options.
func (s *source) parseLocation(a job.Artifact) (url.Values, error) {
	text, named := a.Source, ""
	if m := forced.FindStringSubmatch(text); m != nil {
		named, text = strings.ToLower(m[1]), m[2]
	}
	text, s.subdir = getter.SourceDirSubdir(text)
	if strings.HasPrefix(text, "/") {
		p, query, _ := strings.Cut(text, "?")
		text = (&url.URL{Scheme: "file", Path: p, RawQuery: query}).String()
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, invalid("the source is no URL") // the error would quote it with its password
	}
	if !supported(u.Scheme, named) {
		return nil, refused("the source is not of a kind that is supported: expected a URL of http or https, or an absolute path")
	}
	if u.Scheme == "file" {
		if u.Host != "" && u.Host != "localhost" || !path.IsAbs(u.Path) || strings.ContainsRune(u.Path, 0) {
			return nil, invalid("the source is no absolute path: write file:///the/path")
		}
		s.path = path.Clean(u.Path)
	} else if s.url = u; u.Host == "" {
		return nil, invalid("the source names no host")
	}
	return s.parameters(u, a.Options)
}

// supported reports whether a scheme can be fetched, by the getter that is
// named before it, if one is.
func supported(scheme, named string) bool {
	switch scheme {
	case "file":
		return named == "" || named == scheme
	case "http", "https":
		return named == "" || named == "http" || named == "https"
	}
	return false
}

// parameters takes those that are ours off the URL and adds the options.
func (s *source) parameters(u *url.URL, options map[string]string) (url.Values, error) {
	all, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, invalid("the parameters behind the ? of the source cannot be read")
	}
	for k, v := range options {
		all.Add(k, v)
	}
	sent := url.Values{}
	for k, v := range all {
		if k != paramArchive && k != paramChecksum && k != paramFilename {
			sent[k] = v
		}
	}
	// A query that is the server's alone stays as it is written: it may be signed.
	if len(options) > 0 || len(sent) != len(all) {
		u.RawQuery = sent.Encode()
	}
	return all, nil
}

// location is the path of the source on its host.
func (s *source) location() string {
	if s.url != nil {
		return s.url.Path
	}
	return s.path
}

// archives are the endings of files that are unpacked, longest first.
var archives = []string{
	"tar.bz2", "tar.zst", "tar.gz", "tar.xz", "tbz2", "tzst", "bz2", "tar", "tgz", "txz", "zip", "zst", "gz", "xz",
}

// archiveOf says how a source is unpacked. The option "false" is not at all,
// any other false or true is what the name says, and the rest is a kind.
func archiveOf(option, location string) (string, error) {
	if b, err := strconv.ParseBool(option); option == "" || err == nil {
		if option != "" && !b {
			return "", nil
		}
		for _, kind := range archives {
			if strings.HasSuffix(location, "."+kind) {
				return kind, nil
			}
		}
		return "", nil
	}
	if !slices.Contains(archives, option) {
		sorted := slices.Sorted(slices.Values(archives))
		return "", invalid("options.archive %q: it is false, or one of %s", option, strings.Join(sorted, ", "))
	}
	return option, nil
}

// destination is relative to the task's directory. A path of the container
// that is mounted from there means what it means in the container.
func destination(dest string) (string, error) {
	if dest == "" {
		dest = job.DefaultArtifactDestination
	}
	rel := filepath.Clean(dest)
	if filepath.IsAbs(rel) {
		mounted := slices.ContainsFunc(containerDirs, func(d string) bool { return rel == d || strings.HasPrefix(rel, d+"/") })
		if !mounted {
			return "", escapes("destination %q: it is relative to the task's directory, or under /local or /secrets", dest)
		}
		rel = rel[1:]
	}
	if !filepath.IsLocal(rel) || strings.ContainsRune(rel, 0) {
		return "", escapes("destination %q leads outside the task's directory", dest)
	}
	return rel, nil
}

// setName sets the name of a file in the destination, where one is needed.
func (s *source) setName(option string) error {
	if s.mode == job.ArtifactFile {
		if slices.Contains([]string{".", localName, secretsName}, s.dest) {
			return invalid("with mode file the destination is the file itself, as in local/config.json; %s is a directory", s.dest)
		}
		return nil
	}
	s.name = path.Base(s.location())
	if option != "" {
		s.name = option
	} else if s.archive != "" {
		s.name = strings.TrimSuffix(s.name, "."+s.archive)
	}
	if singleFile(s.archive) && slices.Contains([]string{"", ".", "/"}, s.name) {
		return invalid("the file in the archive has no name: set options.filename")
	}
	if option != "" && (filepath.Base(option) != option || !filepath.IsLocal(option) || option == ".") {
		return invalid("options.filename %q: it is a name without a path", option)
	}
	return nil
}

// check refuses what cannot go together.
func (s *source) check(local bool) error {
	directory := s.url != nil && (strings.HasSuffix(s.url.Path, "/") || s.url.Path == "")
	switch {
	case s.url == nil && !local:
		return refused(`a file of the host needs "docker.volumes.enabled" = "true" under client { options { } } in the agent's config`)
	case directory && s.archive == "":
		return invalid("the source is a directory of a server: only an archive of it can be fetched")
	case s.url != nil && s.mode == job.ArtifactDir && s.archive == "":
		return invalid("with mode dir the source is an archive or a directory of this host")
	case s.mode == job.ArtifactDir && singleFile(s.archive):
		return invalid("with mode dir the archive holds a directory: %s holds one file", s.archive)
	case s.subdir != "" && (s.mode == job.ArtifactFile || s.url != nil && s.archive == "" || singleFile(s.archive)):
		return invalid("// in the source names a part of an archive or a directory")
	case s.subdir != "" && !filepath.IsLocal(strings.TrimPrefix(s.subdir, "/")):
		return escapes("the part %q leads outside the source", s.subdir)
	}
	return nil
}

// singleFile reports whether an archive of the kind holds just one file.
func singleFile(kind string) bool {
	return slices.Contains([]string{"gz", "bz2", "xz", "zst"}, kind)
}

// shown is the source as it may be printed: without user, password and the
// values of parameters.
func shown(text string) string {
	prefix := ""
	if m := forced.FindStringSubmatch(text); m != nil {
		prefix, text = m[1]+"::", m[2]
	}
	u, err := url.Parse(text)
	if err != nil || u.Opaque != "" {
		scheme, _, _ := strings.Cut(text, ":")
		return clip(prefix+scheme) + ":…"
	}
	u.User, u.Fragment = nil, ""
	query := u.RawQuery
	u.RawQuery = ""
	out := u.Redacted()
	if query != "" {
		out += "?…"
	}
	return clip(prefix + out)
}

// clip bounds a text in a message.
func clip(s string) string {
	if len(s) > maxShown {
		s = s[:maxShown] + "…"
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// maxShown bounds, in bytes, what a message shows of a source.
const maxShown = 200

func invalid(format string, args ...any) error {
	return job.NewError(job.WaitsForUser, ReasonArtifactInvalid, fmt.Errorf(format, args...))
}

func refused(format string, args ...any) error {
	return job.NewError(job.WaitsForUser, ReasonArtifactRefused, fmt.Errorf(format, args...))
}

func escapes(format string, args ...any) error {
	return job.NewError(job.WaitsForUser, ReasonArtifactEscapes, fmt.Errorf(format, args...))
}

func tooLarge(format string, args ...any) error {
	return job.NewError(job.WaitsForUser, ReasonArtifactTooLarge, fmt.Errorf(format, args...))
}
