package control

import (
	"io"
	"net"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"reconciler/store"
)

// RenderServices writes instances of services as a table for people.
func RenderServices(w io.Writer, services []store.ServiceRecord, now time.Time) error {
	tw := &table{tw: tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)}
	if len(services) == 0 {
		tw.row("no services")
		return tw.flush()
	}
	tw.row("NAME", "ADDRESS", "HEALTH", "JOB/GROUP[/TASK]", "ALLOC", "TAGS", "SINCE")
	for _, s := range services {
		tw.row(s.Name, dash(address(s)), dash(string(s.Health)), owner(s), allocID(s.Alloc),
			dash(strings.Join(s.Tags, ",")), ago(now, s.Since))
	}
	return tw.flush()
}

// address is host:port, an IPv6 address in brackets, or the host alone of a
// service without a port.
func address(s store.ServiceRecord) string {
	if s.Port == 0 {
		return s.Address
	}
	return net.JoinHostPort(s.Address, strconv.Itoa(s.Port))
}

func owner(s store.ServiceRecord) string {
	if s.Task == "" {
		return s.Job + "/" + s.Group
	}
	return s.Job + "/" + s.Group + "/" + s.Task
}

// FromFile is the sentence that stands over what no running agent told: in
// which data directory, and how old its state file is.
func FromFile(dir string, at, now time.Time) string {
	return "no agent answers on " + dir + "; this is what its state file said " + ago(now, at)
}
