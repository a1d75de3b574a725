package desired

import (
	"strings"

	"github.com/hashicorp/hcl/v2"

	"reconciler/internal/job"
)

// configPlaces are where the values of a config block stand.
type configPlaces struct {
	image, networkMode, hostname, workDir hcl.Range
	load, command                         hcl.Range
	noImage                               bool // there is none, rather than a wrong one
	volumes                               []entry
	mounts                                []hcl.Range // of each mount's target
	values                                map[string]hcl.Range
	auth                                  authPlaces
}

// valuePlaces are where the values of a section stand, by key; a block stands
// where its name does.
func valuePlaces(s section) map[string]hcl.Range {
	out := map[string]hcl.Range{}
	for _, it := range s.items {
		out[it.key] = it.at
		if it.expr != nil {
			out[it.key] = it.expr.Range()
		}
	}
	return out
}

// config decodes the config blocks of a task, which are one.
func (l *loader) config(items []item, d *taskDraft) {
	s, ok := l.blocks(items)
	if !ok {
		return
	}
	c := &d.Config
	at := configPlaces{noImage: true, values: valuePlaces(s)}
	d.configAt = at.values
	l.decode(s, "config", merged(fields{
		"image":        l.image(&c.Image, &at),
		"load":         l.filled(&c.Load, &at.load),
		"force_pull":   l.truth(&c.ForcePull),
		"command":      l.filled(&c.Command, &at.command),
		"args":         l.texts(&c.Args),
		"entrypoint":   l.texts(&c.Entrypoint),
		"labels":       l.textMap(&c.Labels, checkLabelKey),
		"port_map":     l.portMap(d),
		"ports":        l.textsAt(&c.Ports, &d.portsAt),
		"network_mode": l.filled(&c.NetworkMode, &at.networkMode),
		"volumes":      l.textsAt(&c.Volumes, &at.volumes),
		"work_dir":     l.filled(&c.WorkDir, &at.workDir),
		"hostname":     l.filled(&c.Hostname, &at.hostname),
		"tty":          l.truth(&c.TTY),
		"logging":      l.logging(c),

		"advertise_ipv6_address": l.truth(&c.AdvertiseIPv6Address),

		"auth":               l.auth(c, &at.auth),
		"auth_soft_fail":     l.truth(&c.AuthSoftFail),
		"image_pull_timeout": l.pullTimeout(&c.ImagePullTimeout),

		"ssl": l.deprecatedSSL(),
		"SSL": l.deprecatedSSL(),
	}, l.processFields(c), l.networkFields(c), l.isolationFields(c), l.storageFields(c, &at), l.limitFields(c)))
	l.checkConfig(d, s, at)
}

// image decodes the image. An error in it has been told where it stands; it is
// not missing then.
func (l *loader) image(dst *string, at *configPlaces) func([]item) {
	return func(items []item) {
		l.filled(dst, &at.image)(items)
		at.noImage = false
		if *dst == "" && items[0].expr != nil {
			v, ok := l.value(items[0].expr)
			at.noImage = ok && v.IsNull()
		}
	}
}

// filled decodes a string that must not be empty or have blanks around it.
func (l *loader) filled(dst *string, at *hcl.Range) func([]item) {
	return func(items []item) {
		before := len(l.diags)
		s := unset
		l.textAt(&s, at)(items)
		switch {
		case s == unset || len(l.diags) > before:
			return
		case strings.TrimSpace(s) == "":
			l.errorf(*at, "Empty value", "%q is empty. Give it a value or remove it.", items[0].key)
		case strings.TrimSpace(s) != s:
			l.errorf(*at, "Blanks around a value", "%q is %q, with blanks around it. Remove them.", items[0].key, s)
		default:
			*dst = s
		}
	}
}

// unset is no value that a manifest can hold: asText refuses NUL.
const unset = "\x00"

// deprecatedSSL takes the option that had no effect in the original either.
func (l *loader) deprecatedSSL() func([]item) {
	return func(items []item) {
		var ignored bool
		l.truth(&ignored)(items)
		l.warnf(items[0].at, "Deprecated option", "%q has no effect. Remove it.", items[0].key)
	}
}

// portMap decodes port_map: label to container port.
func (l *loader) portMap(d *taskDraft) func([]item) {
	return func(items []item) {
		for _, p := range l.pairs(items) {
			port, ok := l.asWhole(p.v, p.vAt, bounds{1, maxPort, "a port"})
			if !ok {
				continue
			}
			if d.Config.PortMap == nil {
				d.Config.PortMap = map[string]int{}
			}
			d.Config.PortMap[p.key] = port
			d.portMapAt = append(d.portMapAt, p)
		}
	}
}

// logging decodes the log driver and its options.
func (l *loader) logging(c *job.Config) func([]item) {
	return func(items []item) {
		s, ok := l.structure(items)
		if !ok {
			return
		}
		var typ, driver string
		var typAt, driverAt hcl.Range
		logging := &job.Logging{}
		l.decode(s, "logging", fields{
			"type":   l.filled(&typ, &typAt),
			"driver": l.filled(&driver, &driverAt),
			"config": l.textMap(&logging.Config, nil),
		})
		if typ != "" && driver != "" && typ != driver {
			l.errorf(driverAt, "Two log drivers", "\"type\" is %q and \"driver\" is %q, which mean the same option. Remove one of them.", typ, driver)
		}
		logging.Type = typ
		if typ == "" {
			logging.Type = driver
		}
		if typ+driver != "" || logging.Config != nil {
			c.Logging = logging
		}
	}
}
