package control

import (
	"cmp"
	"slices"

	"reconciler/store"
)

// Services returns the instances of all services, sorted by the service's name
// and then the allocation. It is never nil.
func Services(st *store.Store) []store.ServiceRecord {
	out := []store.ServiceRecord{}
	for _, s := range st.Services.All() {
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b store.ServiceRecord) int {
		return cmp.Or(
			cmp.Compare(a.Name, b.Name),
			cmp.Compare(a.Alloc, b.Alloc),
			cmp.Compare(a.Task, b.Task),
			cmp.Compare(a.Address, b.Address),
			cmp.Compare(a.Port, b.Port),
		)
	})
	return out
}
