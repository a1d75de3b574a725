package e2e

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	gocmp "github.com/google/go-cmp/cmp"

	"reconciler/store"
)

// web: two of it, each at a port of its own.
func (s *stage) web() {
	ports := map[int]bool{}
	for _, b := range s.awaitRunning("web", 2) {
		eventually(s.t, "nginx answers", func() error { _, err := b.ask(); return err })
		ports[b.Who.Ports[0].Host] = true
		if b.Who.Ports[0].To != 80 {
			s.t.Errorf("web publishes %+v", b.Who.Ports[0])
		}
	}
	if len(ports) != 2 {
		s.t.Errorf("web has the ports %v", ports)
	}
}

// redis: reached at its static port; its data is on the host.
func (s *stage) redis() {
	b := s.awaitRunning("redis", 1)[0]
	s.answers(b.address("redis"), "/text", "")
	s.has("redis/appendonly.aof", "kept")
}

// archive: no registry knows the image.
func (s *stage) archive() {
	b := s.awaitRunning("archive", 1)[0]
	var a about
	eventually(s.t, "the program of the archive answers", func() (err error) {
		a, err = b.ask()
		return err
	})
	address, err := b.url()
	must(s.t, err)
	if "http://"+a.Env["PUBLIC_ADDRESS"] != address || a.Env["INSTANCE"] != "0" || a.Env["VERSION"] != "archive" {
		s.t.Errorf("archive at %s has the environment %v", address, a.Env)
	}
	if in := s.inspect(b.ID); in.Config.Labels["team"] != "shop" {
		s.t.Errorf("archive has the labels %v", in.Config.Labels)
	}
}

// backup: complete, its container kept; restarted, it runs again.
func (s *stage) backup() {
	done := s.awaitComplete("backup")
	s.has("backup/www.tar.gz", "packed")
	for _, m := range s.inspect(done.ID).Mounts {
		if m.Destination == "/data" && m.RW {
			s.t.Error("backup could write to /data")
		}
	}
	s.ask("restart", "backup")
	eventually(s.t, "backup has run again", func() error {
		got := s.all("backup")
		if len(got) != 1 || got[0].ID == done.ID || got[0].State != "exited" {
			return errors.New(brief(got))
		}
		return nil
	})
	s.awaitComplete("backup")
}

// gpu: this engine has no device driver for GPUs, and no test machine has one.
// So the test shows that it is asked for, and that status says what the engine
// answers.
func (s *stage) gpu() {
	s.awaitError("models", "could not select device driver")
	eventually(s.t, "the container asks for a GPU", func() error {
		got := s.all("models")
		if len(got) != 1 {
			return errors.New(brief(got))
		}
		asked := s.inspect(got[0].ID).HostConfig.DeviceRequests
		if len(asked) != 1 || asked[0].Count != 1 || !slices.ContainsFunc(asked[0].Capabilities, func(c []string) bool { return slices.Contains(c, "gpu") }) {
			return fmt.Errorf("it asks for %+v", asked)
		}
		return nil
	})
}

// hostNetwork: the program is at the host's own port.
func (s *stage) hostNetwork() {
	b := s.awaitRunning("node-exporter", 1)[0]
	in := s.inspect(b.ID)
	if in.HostConfig.NetworkMode != "host" || len(in.HostConfig.PortBindings) != 0 {
		s.t.Errorf("node-exporter is in network %q and publishes %v", in.HostConfig.NetworkMode, in.HostConfig.PortBindings)
	}
	address := b.address("metrics")
	if want := "--web.listen-address=" + address; !slices.Contains(in.Config.Cmd, want) {
		s.t.Errorf("node-exporter has the arguments %q, want %s", in.Config.Cmd, want)
	}
	s.answers(address, "/text", "metrics")
	s.answers(address, "/file?path=/host/proc/sys/kernel/ostype", "Linux\n")
}

// privateImages: both tasks run, one of them of the image with the digest.
func (s *stage) privateImages() {
	eventually(s.t, "both private tasks run", func() error {
		got := s.running("private")
		if len(got) != 2 {
			return errors.New(brief(got))
		}
		for _, b := range got {
			if b.Who.Task == "pinned" && b.ImageID != s.pinnedID {
				return fmt.Errorf("pinned has the image %s, want %s", b.ImageID, s.pinnedID)
			}
		}
		return nil
	})
}

// shop: the shop is in redis' network and reaches it there; an edit starts new
// ones beside the old.
func (s *stage) shop() {
	redis, web := s.shopBoxes()
	if want := "container:" + redis.ID; string(s.inspect(web.ID).HostConfig.NetworkMode) != want {
		s.t.Errorf("the shop is not in the network %s", want)
	}
	if ports := s.inspect(redis.ID).HostConfig.PortBindings; len(ports) != 2 || len(ports["8080/tcp"]) != 1 || len(ports["8080/udp"]) != 1 {
		s.t.Errorf("redis publishes %v", ports)
	}
	at := redis.address("http")
	s.answers(at, "/text", "shop")
	s.answers(at, "/look?url=http://127.0.0.1:6379/text", "redis")
	if got := s.awaitServices("shop", 1)[0]; addressOf(got) != at || !slices.Equal(got.Tags, []string{"public"}) {
		s.t.Errorf("service shop is %+v, want it at %s", got, at)
	}
	s.answers(addressOf(s.awaitServices("shop-redis", 1)[0]), "/text", "redis")
	s.awaitPhase("shop", "running")

	b, err := os.ReadFile(filepath.Join(s.manifests, "shop.hcl"))
	must(s.t, err)
	s.drop("shop.hcl", strings.Replace(string(b), "      env {\n", "      env {\n        WEB_TEXT = \"new shop\"\n", 1))
	eventually(s.t, "the new shop is published, beside the old one", func() error {
		if text, err := get("http://" + at + "/text"); err != nil || text != "shop" {
			s.t.Fatalf("the old shop answers %q, %v", text, err)
		}
		got, err := s.services("shop")
		if err == nil && !slices.ContainsFunc(got, func(r store.ServiceRecord) bool { return addressOf(r) != at }) {
			err = fmt.Errorf("%+v", got)
		}
		return err
	})
	s.answers(addressOf(s.awaitServices("shop", 1)[0]), "/text", "new shop")
}

// shopBoxes waits for both containers of the shop.
func (s *stage) shopBoxes() (redis, web box) {
	s.t.Helper()
	eventually(s.t, "redis and the shop run", func() error {
		got := s.running("shop")
		if len(got) != 2 {
			return errors.New(brief(s.all("shop")))
		}
		redis, web = got[0], got[1]
		if redis.Who.Task != "redis" {
			redis, web = web, redis
		}
		return nil
	})
	return redis, web
}

// volumes: each mount is what it is said to be, and both tasks see one volume.
func (s *stage) volumes() {
	at := map[string]box{}
	eventually(s.t, "both tasks of volumes run", func() error {
		for _, b := range s.running("volumes") {
			at[b.Who.Task] = b
		}
		if len(at) != 2 {
			return errors.New(brief(s.all("volumes")))
		}
		return nil
	})
	site, uploads := at["site"], at["uploads"]
	s.answers(site.address("http"), "/file?path=/usr/share/nginx/html/index.html", "welcome")
	s.answers(site.address("http"), "/file?path=/backup-of-www/index.html", "welcome")
	s.answers(uploads.address("upload"), "/file?path=/uploads/cat.png", "cat")

	alloc := filepath.Join(s.data, "alloc", site.Who.AllocID)
	want := map[string]mounted{
		"/usr/share/nginx/html": {"bind", s.dir("www"), false},
		"/backup-of-www":        {"bind", s.dir("www"), false},
		"/var/cache/nginx":      {"bind", filepath.Join(alloc, "site", "cache"), true},
		"/var/log/nginx":        {"bind", filepath.Join(alloc, "alloc", "logs"), true},
		"/uploads":              {"volume", "volumes-uploads-" + s.images.mark, true},
		"/run":                  {"tmpfs", "", true},
	}
	seen := map[string]mounted{}
	for _, m := range s.inspect(site.ID).Mounts {
		if _, asked := want[m.Destination]; asked {
			seen[m.Destination] = mounted{string(m.Type), cmp.Or(m.Name, m.Source), m.RW}
		}
	}
	if diff := gocmp.Diff(want, seen, gocmp.AllowUnexported(mounted{})); diff != "" {
		s.t.Errorf("mounts of site (-want +got):\n%s", diff)
	}
	if !s.inspect(uploads.ID).HostConfig.ReadonlyRootfs {
		s.t.Error("uploads could write to its root")
	}
}

// mounted is what the engine tells of a mount.
type mounted struct {
	kind     string
	source   string // path, or name of a volume
	writable bool
}

// kept: what the examples say stays when they go.
func (s *stage) kept() {
	s.has("redis/appendonly.aof", "kept")
	s.has("backup/www.tar.gz", "packed")
	ctx, cancel := s.ctx()
	defer cancel()
	if _, err := s.cli.VolumeInspect(ctx, "volumes-uploads-"+s.images.mark); err != nil {
		s.t.Errorf("the volume of volumes.hcl: %v", err)
	}
}

// has demands a file below the directory that stands for /srv.
func (s *stage) has(name, content string) {
	s.t.Helper()
	eventually(s.t, name+" is there", func() error {
		b, err := os.ReadFile(filepath.Join(s.srv, name))
		if err == nil && string(b) != content {
			err = fmt.Errorf("it says %q", b)
		}
		return err
	})
}
