package e2e

import (
	"encoding/json"
	"fmt"
	"slices"

	"reconciler/store"
)

// services asks the CLI for the instances of a service.
func (w *world) services(name string) ([]store.ServiceRecord, error) {
	w.t.Helper()
	r := w.run("services", "--json", "--data-dir", w.data)
	if r.code != 0 {
		return nil, fmt.Errorf("services exits %d: %s", r.code, r.err)
	}
	var all []store.ServiceRecord
	if err := json.Unmarshal([]byte(r.out), &all); err != nil {
		return nil, fmt.Errorf("services --json: %w in %q", err, r.out)
	}
	return slices.DeleteFunc(all, func(s store.ServiceRecord) bool { return s.Name != name }), nil
}

// awaitServices waits until a service has n instances that pass their checks,
// and no others.
func (w *world) awaitServices(name string, n int) []store.ServiceRecord {
	w.t.Helper()
	var got []store.ServiceRecord
	eventually(w.t, fmt.Sprintf("service %s has %d instances", name, n), func() (err error) {
		got, err = w.services(name)
		if err != nil {
			return err
		}
		if len(got) != n || slices.ContainsFunc(got, func(s store.ServiceRecord) bool { return s.Health != "passing" }) {
			return fmt.Errorf("%+v", got)
		}
		return nil
	})
	return got
}
