package docker

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"reconciler/internal/imageref"
	"reconciler/internal/job"
)

// optionAuthConfig is the agent option that names the file.
const optionAuthConfig = "docker.auth.config"

// maxAuthFile bounds the file in bytes; real ones have a few KiB.
const maxAuthFile = 1 << 20

// authFile is Docker's config.json as far as it is about credentials
// (docker/cli cli/config/configfile).
type authFile struct {
	Auths   map[string]authEntry `json:"auths"`
	Helpers map[string]string    `json:"credHelpers"`
	Store   string               `json:"credsStore"`
}

// authEntry are the credentials for one registry. `docker login` leaves an
// empty one behind when a helper has them.
type authEntry struct {
	Auth          string `json:"auth"` // base64 of "username:password"
	Username      string `json:"username"`
	Password      string `json:"password"`
	IdentityToken string `json:"identitytoken"`
	RegistryToken string `json:"registrytoken"`
}

// fromFile looks up a registry in the file: auths, then its credHelpers, then
// the credsStore.
func (s logins) fromFile(ctx context.Context, host string) (login, error) {
	f, err := readAuthFile(s.file)
	if err != nil {
		return login{}, err
	}
	for _, key := range keysOf(f.Auths, host) {
		l, err := f.Auths[key].login(key)
		if err != nil {
			return login{}, refused(ReasonAuthConfigInvalid, "%s %s: auths[%q]: %w", optionAuthConfig, s.file, key, err)
		}
		if !l.anonymous() {
			return l, nil
		}
	}
	for _, key := range keysOf(f.Helpers, host) {
		if f.Helpers[key] == "" {
			continue
		}
		if l, err := askHelper(ctx, f.Helpers[key], "credHelpers in "+s.file, host); err != nil || !l.anonymous() {
			return l, err
		}
	}
	if f.Store != "" {
		return askHelper(ctx, f.Store, "credsStore in "+s.file, host)
	}
	return login{}, nil
}

// keysOf returns the keys that mean the registry host, the plainest first:
// the host itself, then those with a protocol, a path or another of Docker
// Hub's names.
func keysOf[T any](m map[string]T, host string) []string {
	var out []string
	if _, ok := m[host]; ok {
		out = append(out, host)
	}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if key != host && imageref.Registry(key) == host {
			out = append(out, key)
		}
	}
	return out
}

// readAuthFile reads the file. Its errors hold nothing of its content.
func readAuthFile(path string) (authFile, error) {
	b, err := readBounded(path)
	if err != nil {
		return authFile{}, refused(ReasonAuthConfigInvalid, "%s: %w", optionAuthConfig, err)
	}
	var f authFile
	if err := json.Unmarshal(b, &f); err != nil {
		return authFile{}, refused(ReasonAuthConfigInvalid, "%s %s: %w", optionAuthConfig, path, bareJSONError(err))
	}
	if f.Auths == nil && f.Helpers == nil && f.Store == "" {
		f.Auths = legacyAuths(b)
	}
	return f, nil
}

func readBounded(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "read", Path: path, Err: errors.New("it is no plain file")}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxAuthFile+1))
	if err == nil && len(b) > maxAuthFile {
		err = &fs.PathError{Op: "read", Path: path, Err: errors.New("it is larger than any file of credentials")}
	}
	return b, err
}

// bareJSONError says what is wrong with JSON without a byte of it.
func bareJSONError(err error) error {
	var syntax *json.SyntaxError
	var typ *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("it is no JSON from byte %d on", syntax.Offset)
	case errors.As(err, &typ):
		return fmt.Errorf("its value at byte %d should be a %s", typ.Offset, typ.Type.Kind())
	}
	return errors.New("it is no JSON")
}

// legacyAuths reads the older form of the file, ~/.dockercfg, which is the
// content of auths alone. What is no such file gives nil.
func legacyAuths(b []byte) map[string]authEntry {
	var raw map[string]json.RawMessage
	if json.Unmarshal(b, &raw) != nil {
		return nil
	}
	out := map[string]authEntry{}
	for key, text := range raw {
		var e authEntry
		if json.Unmarshal(text, &e) == nil && e != (authEntry{}) {
			out[key] = e
		}
	}
	return out
}

// login reads an entry. Its error holds nothing of the value.
func (e authEntry) login(key string) (login, error) {
	l := login{
		username: e.Username, password: job.NewSecret(e.Password),
		identity: job.NewSecret(e.IdentityToken), bearer: job.NewSecret(e.RegistryToken),
		server: key,
	}
	if e.Auth == "" {
		return l, nil
	}
	text, err := base64.StdEncoding.DecodeString(e.Auth)
	if err != nil {
		text, err = base64.RawStdEncoding.DecodeString(e.Auth)
	}
	user, password, ok := strings.Cut(string(text), ":")
	if err != nil || !ok || user == "" {
		return login{}, errors.New(`"auth" is not the base64 of "username:password"`)
	}
	// Docker pads with NUL (docker/cli decodeAuth).
	l.username, l.password = user, job.NewSecret(strings.Trim(password, "\x00"))
	return l, nil
}
