package desired

import (
	"strings"

	"github.com/hashicorp/hcl/v2"

	"reconciler/internal/imageref"
	"reconciler/internal/job"
)

// authPlaces are where the values of an auth block stand.
type authPlaces struct {
	block, username, password, server hcl.Range
}

// auth decodes the credentials for the image's registry. A block that says
// nothing is as good as none.
func (l *loader) auth(c *job.Config, at *authPlaces) func([]item) {
	return func(items []item) {
		refs := len(l.refs)
		s, ok := l.structure(items)
		l.refs = l.refs[:refs] // of an object that is computed: they may be parts of a password
		if !ok {
			return
		}
		at.block = s.at
		a := &job.Auth{}
		l.decode(s, "auth", fields{
			"username":       l.textAt(&a.Username, &at.username),
			"password":       l.secret(&a.Password, &at.password),
			"email":          l.text(&a.Email),
			"server_address": l.textAt(&a.ServerAddress, &at.server),
		})
		a.ServerAddress = strings.TrimSpace(a.ServerAddress)
		if !a.Equal(job.Auth{}) {
			c.Auth = a
		}
	}
}

// secret decodes a string of which nothing may be told: messages about values
// hold parts of them, and messages are stored and logged. What is wrong with
// it is said without it.
func (l *loader) secret(dst *job.Secret, at *hcl.Range) func([]item) {
	return func(items []item) {
		items = []item{l.one(items)} // tells of a second one, by its key
		diags, refs := len(l.diags), len(l.refs)
		var text string
		l.textAt(&text, at)(items)
		l.refs = l.refs[:refs] // a $ in a password is no slip
		wrong := l.diags[diags:].HasErrors()
		l.diags = l.diags[:diags]
		if wrong {
			where := items[0].at
			if at.Filename != "" {
				where = *at
			}
			l.errorf(where, "Bad secret", "%q is one string in quotes: %s = \"…\", or a var. or local. that this file declares. Write $${ for a plain ${.", items[0].key, items[0].key)
			return
		}
		*dst = job.NewSecret(text)
	}
}

// checkAuth warns of credentials that will not do what their author expects,
// and brings the server's address into its form.
func (l *loader) checkAuth(c *job.Config, at authPlaces) {
	a := c.Auth
	if a == nil {
		return
	}
	if (a.Username == "") != a.Password.IsZero() {
		l.warnf(at.block, "Incomplete credentials", "a registry wants \"username\" and \"password\" both. With one of them alone the block is passed over.")
	}
	if bare := imageref.Host(a.ServerAddress); !interpolated(a.ServerAddress) && bare != a.ServerAddress {
		if strings.Contains(a.ServerAddress, "://") {
			l.warnf(at.server, "Protocol in an address", "server_address is a host without a protocol. Write %q.", bare)
		}
		a.ServerAddress = bare
	}
	if a.ServerAddress == "" || interpolated(a.ServerAddress) || interpolated(c.Image) {
		return
	}
	ref, err := imageref.Parse(c.Image)
	if err != nil {
		return
	}
	if domain := imageref.Domain(ref); domain != imageref.Registry(a.ServerAddress) {
		l.warnf(at.server, "Another registry", "the image comes from %s, the credentials are for %s. They are used all the same.", domain, a.ServerAddress)
	}
}

// pullTimeout decodes how long a task waits for its image.
func (l *loader) pullTimeout(dst *job.Duration) func([]item) {
	return func(items []item) {
		before := len(l.diags)
		timeout := job.Duration(-1)
		l.duration(&timeout)(items)
		switch {
		case timeout < 0 || len(l.diags) > before:
		case timeout == 0:
			l.errorf(items[0].at, "Out of range", "with 0 every pull would end at once. Write a duration such as \"10m\", or remove %q to wait for as long as bytes come.", items[0].key)
		default:
			*dst = timeout
		}
	}
}
