package e2e

import (
	"fmt"
	"hash/fnv"
	"net"
	"strconv"
	"testing"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/network"

	"reconciler/store"
)

// network makes a network that is this test's alone, and removes it at the end.
// subnets are those that it must have; the engine chooses otherwise.
func (w *world) network(name string, subnets ...string) (string, error) {
	w.t.Helper()
	name += "-" + w.images.mark
	ctx, cancel := w.ctx()
	defer cancel()
	opts := network.CreateOptions{Driver: "bridge"}
	if len(subnets) > 0 {
		v6 := true
		opts.EnableIPv6, opts.IPAM = &v6, &network.IPAM{}
		for _, s := range subnets {
			opts.IPAM.Config = append(opts.IPAM.Config, network.IPAMConfig{Subnet: s})
		}
	}
	_, err := w.cli.NetworkCreate(ctx, name, opts)
	if err != nil {
		return "", err
	}
	w.leftovers = append(w.leftovers, func() {
		ctx, cancel := w.ctx()
		defer cancel()
		if err := w.cli.NetworkRemove(ctx, name); err != nil && !errdefs.IsNotFound(err) {
			w.t.Errorf("cleanup: %v", err)
		}
	})
	return name, nil
}

// inNetwork is a task in a user-defined network, with one service for each way
// to find its address.
func inNetwork(ref, net, config, port, services string) string {
	return fmt.Sprintf(`job "web" {
  group "web" {
    update { min_healthy_time = "500ms" }
    task "web" {
      config {
        image        = %[1]q
        network_mode = %[2]q
        port_map { http = 8080 }
%[3]s      }
      resources {
        memory = 32
        network {
          port "http" {%[4]s}
        }
      }
%[5]s    }
  }
}
`, ref, net, config, port, services)
}

func serviceOf(name, port, mode string) string {
	return fmt.Sprintf("      service {\n        name = %q\n        port = %q\n        address_mode = %q\n      }\n", name, port, mode)
}

// TestServiceAddresses: where a service is, over a user-defined network: on the
// host, at the container's own address, and by default there.
func TestServiceAddresses(t *testing.T) {
	w := start(t)
	ref, _ := w.images.push("web:1", "1")
	name, err := w.network("web")
	must(t, err)
	w.drop("web.hcl", inNetwork(ref, name, "", "", serviceOf("web-host", "http", "host")+
		serviceOf("web-driver", "http", "driver")+serviceOf("web-auto", "http", "auto")+serviceOf("web-number", "8080", "driver")))
	b := w.awaitRunning("web", 1)[0]
	ip := w.inspect(b.ID).NetworkSettings.Networks[name].IPAddress
	inside := net.JoinHostPort(ip, "8080")
	for service, want := range map[string]string{
		"web-host": b.address("http"), "web-driver": inside, "web-auto": inside, "web-number": inside,
	} {
		got := addressOf(w.awaitServices(service, 1)[0])
		if got != want {
			t.Errorf("%s is at %s, want %s", service, got, want)
		}
		w.answers(got, "/text", "")
	}
}

func addressOf(s store.ServiceRecord) string {
	return net.JoinHostPort(s.Address, strconv.Itoa(s.Port))
}

// TestIPv6: a port on an IPv6 address of the host, and a fixed address in an
// IPv6 network, at which the service is.
func TestIPv6(t *testing.T) {
	w := start(t)
	ref, _ := w.images.push("web:1", "1")
	w.local6(ref)
	// Of the range for private use (RFC 4193), another one in each run.
	h := fnv.New32a()
	_, _ = h.Write([]byte(w.images.mark))
	prefix := fmt.Sprintf("fd00:%x:%x:1::", h.Sum32()>>16, h.Sum32()&0xffff)
	name, err := w.network("six", prefix+"/64")
	if err != nil {
		t.Skipf("this engine makes no IPv6 network: %v", err)
	}
	fixed := prefix + "77"
	w.drop("web.hcl", inNetwork(ref, name, "        ipv6_address = \""+fixed+"\"\n        advertise_ipv6_address = true\n", "", serviceOf("web-six", "http", "driver")))
	b := w.awaitRunning("web", 1)[0]
	if got := net.ParseIP(w.inspect(b.ID).NetworkSettings.Networks[name].GlobalIPv6Address); !got.Equal(net.ParseIP(fixed)) {
		t.Errorf("the container has %s, want %s", got, fixed)
	}
	got := addressOf(w.awaitServices("web-six", 1)[0])
	if want := net.JoinHostPort(net.ParseIP(fixed).String(), "8080"); got != want {
		t.Errorf("the service is at %s, want %s", got, want)
	}
	w.answers(got, "/text", "")
}

// local6 runs a job whose port is on ::1.
func (w *world) local6(ref string) {
	w.t.Helper()
	l, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		w.t.Logf("this host has no ::1, so no port is published there: %v", err)
		return
	}
	must(w.t, l.Close())
	w.drop("local.hcl", spec{
		Job: "local", Image: ref, Text: "six", Config: "ports = [\"http\"]\n", Env: env("ADDRESS=${NOMAD_ADDR_http}"),
		Group: "    network {\n      port \"http\" {\n        to = 8080\n        host_ip = \"::1\"\n      }\n    }\n",
	}.String())
	b := w.awaitText("local", "six")
	address := b.address("http")
	if want := fmt.Sprintf("[::1]:%d", b.Who.Ports[0].Host); address != want {
		w.t.Errorf("local is at %s, want %s", address, want)
	}
	w.answers(address, "/env?key=ADDRESS", address)
}
