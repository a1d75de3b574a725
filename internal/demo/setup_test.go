package main

import (
	"strings"
	"testing"
)

func TestDecide(t *testing.T) {
	for _, tc := range []struct {
		name string
		in   facts
		want verdict // missing: a part of it
	}{
		{"it runs", facts{docker: answers}, verdict{}},
		{"it runs, as anybody", facts{docker: answers, root: false, debian: true}, verdict{}},
		{"no right on the socket", facts{docker: noRight, socket: "/s"}, verdict{missing: "group"}},
		{"another socket is silent", facts{docker: noListener, remote: true, root: true, debian: true}, verdict{missing: "DOCKER_HOST"}},
		{"root on Debian, none installed", facts{docker: noListener, root: true, debian: true}, verdict{install: true, start: true}},
		{"root on Debian, not started", facts{docker: noListener, root: true, debian: true, installed: true}, verdict{start: true}},
		{"root elsewhere, not started", facts{docker: noListener, root: true, installed: true}, verdict{start: true}},
		{"root elsewhere, none installed", facts{docker: noListener, root: true}, verdict{missing: "docs.docker.com"}},
		{"a user on Debian", facts{docker: noListener, debian: true}, verdict{missing: "apt-get install docker.io"}},
		{"a user, not started", facts{docker: noListener, installed: true}, verdict{missing: "systemctl start docker"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := decide(tc.in)
			if got.install != tc.want.install || got.start != tc.want.start {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
			if (got.missing == "") != (tc.want.missing == "") || !strings.Contains(got.missing, tc.want.missing) {
				t.Errorf("says %q, want %q in it", got.missing, tc.want.missing)
			}
		})
	}
}

func TestIsDebian(t *testing.T) {
	for text, want := range map[string]bool{
		"PRETTY_NAME=\"Debian GNU/Linux 12\"\nID=debian\n": true,
		"ID=ubuntu\nID_LIKE=debian\n":                      true,
		"ID=pop\nID_LIKE=\"ubuntu debian\"\n":              true,
		"ID=fedora\n":                                      false,
		"ID=notdebian\nNAME=debian\n":                      false,
		"":                                                 false,
	} {
		if got := isDebian(text); got != want {
			t.Errorf("isDebian(%q) = %t", text, got)
		}
	}
}

func TestNewEngine(t *testing.T) {
	for host, want := range map[string]string{"": defaultSocket, "unix:///run/d.sock": "/run/d.sock", "tcp://10.0.0.1:2375": ""} {
		e, err := newEngine(host)
		if want == "" {
			if err == nil {
				t.Errorf("%s is accepted", host)
			}
			continue
		}
		if err != nil || e.socket != want {
			t.Errorf("newEngine(%q) = %+v, %v", host, e, err)
		}
	}
}
