package taskenv

// resolve gives every symbol its value. It is Tarjan's search for strongly
// connected components: a component is complete when all that it refers to has
// a value, and more than one symbol in it, or one that names itself, is a
// circle. What stays literal thus depends on the circle and not on where the
// search began.
func (e *Env) resolve() {
	r := resolver{env: e}
	for _, set := range []map[string]*symbol{e.env, e.names} {
		for _, s := range set {
			r.visit(s)
		}
	}
}

type resolver struct {
	env   *Env
	count int // symbols visited
	stack []*symbol
}

func (r *resolver) visit(s *symbol) {
	if s.done || s.index > 0 {
		return
	}
	r.count++
	s.index, s.low = r.count, r.count
	r.stack = append(r.stack, s)
	for _, t := range r.env.references(s.text) {
		r.visit(t)
		if !t.done {
			s.low = min(s.low, t.low)
		}
	}
	if s.low == s.index {
		r.complete(s)
	}
}

// complete takes the component of root from the stack and expands it.
func (r *resolver) complete(root *symbol) {
	i := len(r.stack) - 1
	for r.stack[i] != root {
		i--
	}
	component := r.stack[i:]
	r.stack = r.stack[:i]
	values := make([]string, len(component))
	for j, s := range component {
		values[j] = r.env.expand(s.text)
	}
	for j, s := range component {
		s.text, s.done = values[j], true
	}
}

// references lists what the text refers to.
func (e *Env) references(s string) []*symbol {
	var out []*symbol
	for s != "" {
		_, _, ref, rest := next(s)
		if t, ok := e.lookup(ref); ok {
			out = append(out, t)
		}
		s = rest
	}
	return out
}
