package desired

import (
	"github.com/hashicorp/hcl/v2"

	"reconciler/internal/job"
)

// serviceDraft is a service while it is decoded, with the places that
// validation speaks of.
type serviceDraft struct {
	job.Service
	at     hcl.Range // of the block
	places map[string]hcl.Range
	checks []checkDraft

	nameIsWrong bool
}

// addressModes are how the address of a service can be found.
var addressModes = vocabulary{words: []string{job.AddressAuto, job.AddressHost, job.AddressDriver}, refused: []string{"alloc"}}

// services decodes service blocks, each of which is one more.
func (l *loader) services(dst *[]serviceDraft) func([]item) {
	return func(items []item) {
		for _, it := range items {
			if s, ok := l.blockOf(it); ok {
				*dst = append(*dst, l.service(s))
			}
		}
	}
}

// service decodes one service. What is at its default is left out; the name is
// filled in when those of its job and group are known.
func (l *loader) service(s section) serviceDraft {
	d := serviceDraft{at: s.at, places: valuePlaces(s)}
	l.decode(s, "service", fields{
		"name":         l.serviceName(&d),
		"port":         l.filled(&d.Port, new(hcl.Range)),
		"tags":         l.checkedList(&d.Tags, nil),
		"address_mode": l.wordOf(&d.AddressMode, addressModes),
		"check":        l.checks(&d.checks),
	})
	d.AddressMode = unlessDefault(d.AddressMode, job.AddressAuto)
	return d
}

func (l *loader) serviceName(d *serviceDraft) func([]item) {
	return func(items []item) {
		before := len(l.diags)
		l.checked(&d.Name, checkServiceName)(items)
		d.nameIsWrong = l.diags[before:].HasErrors()
	}
}

func checkServiceName(s string) (string, error) { return s, job.CheckServiceName(s) }
