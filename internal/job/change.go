package job

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// ChangedFields names, sorted, the fields in which the containers of a group
// differ between two specs, as in `task "web": config.image, env.LEVEL`. It is
// empty exactly if the SpecHash is equal. The names are those of the language.
func ChangedFields(oldJob *Job, oldGroup *Group, newJob *Job, newGroup *Group) []string {
	a, b := flatten(canonical(oldJob, oldGroup)), flatten(canonical(newJob, newGroup))
	return diffKeys(a, b)
}

// ChangedInPlace names, sorted, the fields of a group that differ and need no
// new container (count, update, kill_timeout, force_pull, auth, auth_soft_fail,
// image_pull_timeout). A password is not compared: nobody keeps the old one.
func ChangedInPlace(oldGroup, newGroup *Group) []string {
	type soft struct {
		Count    int             `json:"count"`
		Update   Update          `json:"update"`
		Kill     map[string]any  `json:"kill_timeout"`
		Pull     map[string]bool `json:"force_pull"`
		Auth     map[string]any  `json:"auth"`
		SoftFail map[string]bool `json:"auth_soft_fail"`
		Timeout  map[string]any  `json:"image_pull_timeout"`
	}
	of := func(g *Group) soft {
		s := soft{
			Count: g.Count, Update: g.Update, Kill: map[string]any{}, Pull: map[string]bool{},
			Auth: map[string]any{}, SoftFail: map[string]bool{}, Timeout: map[string]any{},
		}
		for _, t := range g.Tasks {
			s.Kill[t.Name], s.Pull[t.Name] = t.KillTimeout, t.Config.ForcePull
			s.Auth[t.Name], s.SoftFail[t.Name] = t.Config.Auth, t.Config.AuthSoftFail
			s.Timeout[t.Name] = t.Config.ImagePullTimeout
		}
		return s
	}
	return diffKeys(flatten(of(oldGroup)), flatten(of(newGroup)))
}

func diffKeys(a, b map[string]any) []string {
	changed := map[string]bool{}
	for k, v := range a {
		if w, ok := b[k]; !ok || !reflect.DeepEqual(v, w) {
			changed[k] = true
		}
	}
	for k := range b {
		if _, ok := a[k]; !ok {
			changed[k] = true
		}
	}
	return slices.Sorted(maps.Keys(changed))
}

// flatten turns a JSON-able value into dotted paths and leaves. Lists of
// scalars are leaves; lists of objects with a name or a label are keyed by it,
// so that a task inserted in front does not rename all that follow.
func flatten(v any) map[string]any {
	b, err := json.Marshal(v)
	if err != nil {
		panic("job: flatten: " + err.Error()) // see hashJSON
	}
	var tree any
	if err := json.Unmarshal(b, &tree); err != nil {
		panic("job: flatten: " + err.Error())
	}
	out := map[string]any{}
	walk(out, "", tree)
	return out
}

func walk(out map[string]any, path string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for k, w := range v {
			walk(out, joinPath(path, k), w)
		}
	case []any:
		if !named(v) {
			out[path] = v
			return
		}
		for i, w := range v {
			m := w.(map[string]any)
			key := fmt.Sprintf("%v", firstOf(m, "name", "label"))
			out[joinPath(path, key)+".position"] = i
			walk(out, joinPath(path, key), w)
		}
	default:
		out[path] = v
	}
}

func named(list []any) bool {
	for _, w := range list {
		m, ok := w.(map[string]any)
		if !ok || firstOf(m, "name", "label") == nil {
			return false
		}
	}
	return len(list) > 0
}

func firstOf(m map[string]any, keys ...string) any {
	for _, k := range keys {
		if v, ok := m[k]; ok {
			return v
		}
	}
	return nil
}

func joinPath(path, key string) string {
	return strings.TrimPrefix(path+"."+key, ".")
}
