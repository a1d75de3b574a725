package job

// Auth are the credentials that a task has for its image's registry
// (config.auth). The strings may hold runtime names.
//
// The password is in no JSON, so that neither the state file nor a hash has
// it: an edit of the password alone is no new generation, and a spec that was
// read back from the file has none. In a spec it is never set beyond the
// language half of desired, which keeps the credentials of the manifests that
// it has read; see desired.Watcher.Auth.
type Auth struct {
	Username string `json:"username,omitempty"`
	Password Secret `json:"-"`
	Email    string `json:"email,omitempty"` // no registry asks for it any more
	// ServerAddress is the registry's host without a protocol. Empty is the
	// registry of the image.
	ServerAddress string `json:"server_address,omitempty"`
}

// Equal reports whether a and b are the same credentials.
func (a Auth) Equal(b Auth) bool {
	return a.Username == b.Username && a.Password.Equal(b.Password) && a.Email == b.Email && a.ServerAddress == b.ServerAddress
}

// TakeAuth removes the passwords from the spec and returns the credentials of
// each task that has any, by AuthKey.
func (j *Job) TakeAuth() map[string]Auth {
	var out map[string]Auth
	for i := range j.Groups {
		g := &j.Groups[i]
		for k := range g.Tasks {
			t := &g.Tasks[k]
			if t.Config.Auth == nil {
				continue
			}
			if out == nil {
				out = map[string]Auth{}
			}
			bare := *t.Config.Auth
			out[AuthKey(g.Name, t.Name)] = bare
			bare.Password = Secret{}
			t.Config.Auth = &bare
		}
	}
	return out
}

// AuthKey names a task within its job.
func AuthKey(group, task string) string { return group + "/" + task }
