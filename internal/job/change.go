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
// new container: count, update, restart, service, constraint,
// shutdown_delay, leader, kill_timeout, advertise_ipv6_address, and what is
// about the pull alone. Those of a task end in its name. A password is not
// compared: nobody keeps the old one.
func ChangedInPlace(oldJob *Job, oldGroup *Group, newJob *Job, newGroup *Group) []string {
	return diffKeys(flatten(inPlace(oldJob, oldGroup)), flatten(inPlace(newJob, newGroup)))
}

// inPlace is the counterpart of canonical. Two forms that are equal in both
// mean the same group.
func inPlace(j *Job, g *Group) map[string]any {
	out := map[string]any{
		"count": g.Count, "update": g.Update, "restart": g.Restart, "service": g.Services,
		"constraint": slices.Concat(j.Constraints, g.Constraints), "shutdown_delay": g.ShutdownDelay,
	}
	for _, t := range g.Tasks {
		for field, v := range map[string]any{
			"kill_timeout": t.KillTimeout, "restart": t.Restart, "service": t.Services, "constraint": t.Constraints,
			"shutdown_delay": t.ShutdownDelay, "leader": t.Leader,
			"advertise_ipv6_address": t.Config.AdvertiseIPv6Address, "force_pull": t.Config.ForcePull,
			"auth": t.Config.Auth, "auth_soft_fail": t.Config.AuthSoftFail, "image_pull_timeout": t.Config.ImagePullTimeout,
		} {
			out[field+"."+t.Name] = v
		}
	}
	return out
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
	case nil: // as if it were not there
	default:
		out[path] = v
	}
}

// named reports whether every element of a list has a name, and one of its own:
// else one would hide another.
func named(list []any) bool {
	seen := map[any]bool{}
	for _, w := range list {
		m, ok := w.(map[string]any)
		if !ok {
			return false
		}
		name := firstOf(m, "name", "label")
		if name == nil || seen[name] {
			return false
		}
		seen[name] = true
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
