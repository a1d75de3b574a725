package docker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/docker/docker/api/types/registry"

	"reconciler/internal/imageref"
	"reconciler/internal/job"
)

// login is what a registry is shown. The zero value is nobody.
type login struct {
	username string
	password job.Secret
	identity job.Secret // a token that the engine exchanges for another one
	bearer   job.Secret // a token that the registry takes as it is
	server   string     // as its source names it
}

// anonymous reports whether a registry would be shown nothing.
func (l login) anonymous() bool {
	return l.identity.IsZero() && l.bearer.IsZero() && (l.username == "" || l.password.IsZero())
}

// header is the login as the engine takes it, in X-Registry-Auth.
func (l login) header() (string, error) {
	if l.anonymous() {
		return "", nil
	}
	text, err := registry.EncodeAuthConfig(registry.AuthConfig{
		Username: l.username, Password: l.password.Reveal(),
		IdentityToken: l.identity.Reveal(), RegistryToken: l.bearer.Reveal(),
		ServerAddress: l.server,
	})
	if err != nil {
		return "", fmt.Errorf("credentials cannot be encoded") // its error may hold them
	}
	return text, nil
}

// logins are the sources of credentials that the agent is configured with.
// Both are read anew for each pull.
type logins struct {
	file   string // docker.auth.config; "" is none
	helper string // docker.auth.helper; "" is none
}

// find returns what to show the registry of ref: the task's own credentials,
// else those of the file, else those of the helper, else nobody. A source that
// has none for the registry is passed over; the error of one ends the search.
func (s logins) find(ctx context.Context, ref string, own *job.Auth) (login, error) {
	host := imageref.Domain(ref)
	if l := ownLogin(own); !l.anonymous() {
		return l, nil
	}
	if s.file != "" {
		if l, err := s.fromFile(ctx, host); err != nil || !l.anonymous() {
			return l, err
		}
	}
	if s.helper != "" {
		return askHelper(ctx, s.helper, "docker.auth.helper", host)
	}
	return login{}, nil
}

func ownLogin(a *job.Auth) login {
	if a == nil {
		return login{}
	}
	return login{username: a.Username, password: a.Password, server: a.ServerAddress}
}

// identityOf tells waiters of one pull apart by what they would show the
// registry: a pull is shared by those alone who ask in the same name. All
// tasks without credentials of their own are one, since the agent's sources
// answer all of them alike.
func identityOf(req job.ImageRequest) string {
	l := ownLogin(req.Auth)
	if l.anonymous() {
		return fmt.Sprintf("agent/%t", req.AuthSoftFail)
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%q/%q/%q", l.username, l.password.Reveal(), l.server))
	return fmt.Sprintf("%s/%t", hex.EncodeToString(sum[:]), req.AuthSoftFail)
}
