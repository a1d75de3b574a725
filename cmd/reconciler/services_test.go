package main

import (
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"reconciler/internal/job"
	"reconciler/store"
)

// services is `services DIR`: it makes a data directory whose agent has ended
// and had three instances of services.
func services(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: services DIR")
	}
	st, err := store.Open(ts.MkAbs(args[0]), store.Options{})
	ts.Check(err)
	since := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, s := range []store.ServiceRecord{
		{Name: "db", Job: "shop", Group: "db", Alloc: "cccccccc-3333", Address: "172.18.0.2", Health: job.CheckPending},
		{Name: "api", Job: "shop", Group: "back", Task: "api", Alloc: "bbbbbbbb-2222", Address: "fd00::1", Port: 80, Health: job.CheckCritical},
		{Name: "api", Job: "shop", Group: "back", Task: "api", Alloc: "aaaaaaaa-1111", Address: "10.0.0.1", Port: 20001, Tags: []string{"v1", "blue"}, Health: job.CheckPassing},
	} {
		s.Since = since
		st.Services.Put(store.ServiceKey(s.Name, s.Alloc, s.Task), s)
	}
	ts.Check(st.Close())
}
