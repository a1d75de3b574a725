package job

import "testing"

func TestMayRunBeside(t *testing.T) {
	config := func(f func(c *Config)) func(*Group) { return func(g *Group) { f(&g.Tasks[0].Config) } }
	mount := func(m Mount) func(*Group) { return config(func(c *Config) { c.Mounts = []Mount{m} }) }
	volume := func(v string) func(*Group) { return config(func(c *Config) { c.Volumes = []string{v} }) }
	for name, tc := range map[string]struct {
		edit func(g *Group)
		ok   bool
	}{
		"bridge":                      {func(*Group) {}, true},
		"a user's network":            {config(func(c *Config) { c.NetworkMode = "shop" }), true},
		"no network":                  {config(func(c *Config) { c.NetworkMode = "none" }), true},
		"dynamic ports":               {func(g *Group) { g.Ports = []Port{{Label: "a"}}; g.Tasks[0].Resources.Ports = []Port{{Label: "b"}} }, true},
		"static port":                 {func(g *Group) { g.Tasks[0].Resources.Ports = []Port{{Label: "a", Static: 80}} }, false},
		"static port of the group":    {func(g *Group) { g.Ports = []Port{{Label: "a", Static: 80}} }, false},
		"fixed IPv4":                  {config(func(c *Config) { c.NetworkMode, c.IPv4Address = "shop", "10.0.0.2" }), false},
		"fixed IPv6":                  {config(func(c *Config) { c.NetworkMode, c.IPv6Address = "shop", "fd00::2" }), false},
		"MAC":                         {config(func(c *Config) { c.MACAddress = "02:42:ac:11:00:02" }), false},
		"device":                      {config(func(c *Config) { c.Devices = []Device{{HostPath: "/dev/fuse"}} }), false},
		"gpus":                        {config(func(c *Config) { c.GPUs = &GPUs{Count: 1} }), false},
		"privileged":                  {config(func(c *Config) { c.Privileged = true }), false},
		"host network":                {config(func(c *Config) { c.NetworkMode = "host" }), false},
		"host ipc":                    {config(func(c *Config) { c.IPCMode = "host" }), false},
		"host pid":                    {config(func(c *Config) { c.PIDMode = "host" }), false},
		"host uts":                    {config(func(c *Config) { c.UTSMode = "host" }), false},
		"host userns":                 {config(func(c *Config) { c.UsernsMode = "host" }), false},
		"host cgroupns":               {config(func(c *Config) { c.Cgroupns = "host" }), false},
		"private ipc and cgroupns":    {config(func(c *Config) { c.IPCMode, c.Cgroupns = "private", "private" }), true},
		"foreign network":             {config(func(c *Config) { c.NetworkMode = "container:db" }), false},
		"foreign ipc":                 {config(func(c *Config) { c.IPCMode = "container:db" }), false},
		"foreign pid by a bare name":  {config(func(c *Config) { c.PIDMode = "db" }), false},
		"pid that cannot be told yet": {config(func(c *Config) { c.PIDMode = "${meta.pid}" }), false},
		"namespaces of its own group": {config(func(c *Config) {
			c.NetworkMode, c.IPCMode, c.PIDMode = "container:side", "container:side", "container:side"
		}), true},
		"second task":                  {func(g *Group) { g.Tasks[1].Config.Privileged = true }, false},
		"host path":                    {volume("/srv:/srv"), false},
		"host path, other mode":        {volume("/srv:/srv:z"), false},
		"host path, rw":                {volume("/srv:/srv:rw"), false},
		"host path, read-only":         {volume("/srv:/srv:ro"), true},
		"host path, read-only and z":   {volume("/srv:/srv:ro,z"), true},
		"path by a runtime name":       {volume("${meta.dir}:/srv"), false},
		"path of the allocation":       {volume("data:/srv"), true},
		"anonymous volume":             {volume("/srv"), true},
		"named volume":                 {config(func(c *Config) { c.VolumeDriver, c.Volumes = "local", []string{"data:/srv"} }), false},
		"named volume, read-only":      {config(func(c *Config) { c.VolumeDriver, c.Volumes = "local", []string{"data:/srv:ro"} }), true},
		"mount of a volume":            {mount(Mount{Type: MountVolume, Source: "data", Target: "/srv"}), false},
		"mount of a volume, read-only": {mount(Mount{Type: MountVolume, Source: "data", Target: "/srv", ReadOnly: true}), true},
		"mount, anonymous":             {mount(Mount{Type: MountVolume, Target: "/srv"}), true},
		"bind":                         {mount(Mount{Type: MountBind, Source: "/srv", Target: "/srv"}), false},
		"bind, read-only":              {mount(Mount{Type: MountBind, Source: "/srv", Target: "/srv", ReadOnly: true}), true},
		"bind in the allocation":       {mount(Mount{Type: MountBind, Source: "local/x", Target: "/srv"}), true},
		"bind by a runtime name":       {mount(Mount{Type: MountBind, Source: "${meta.dir}", Target: "/srv"}), false},
		"tmpfs":                        {mount(Mount{Type: MountTmpfs, Target: "/srv"}), true},
	} {
		group := func() *Group {
			return &Group{Name: "g", Tasks: []Task{
				{Name: "web", Config: Config{Image: "x", NetworkMode: DefaultNetworkMode}},
				{Name: "side", Config: Config{Image: "x"}},
			}}
		}
		plain, edited := group(), group()
		tc.edit(edited)
		for _, pair := range [][2]*Group{{plain, edited}, {edited, plain}, {edited, edited}} {
			why, ok := MayRunBeside(pair[0], pair[1])
			if ok != tc.ok || (why == "") != ok {
				t.Errorf("%s: %v (%q), want %v", name, ok, why, tc.ok)
			}
		}
	}
}
