package config

import (
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// loggingConfig begins the names of the log driver's own options.
const loggingConfig = "docker.logging.config."

// options are the names in the options block. Their values are texts on the
// page; a bare number or bool means the same.
var options = map[string]func(*decoder, entry){
	"docker.endpoint":              func(d *decoder, e entry) { d.text(e, &d.docker().Endpoint, checkEndpoint) },
	"docker.tls.cert":              func(d *decoder, e entry) { d.text(e, &d.docker().TLS.Cert, checkFile) },
	"docker.tls.key":               func(d *decoder, e entry) { d.text(e, &d.docker().TLS.Key, checkFile) },
	"docker.tls.ca":                func(d *decoder, e entry) { d.text(e, &d.docker().TLS.CA, checkFile) },
	"docker.cleanup.image":         func(d *decoder, e entry) { d.boolean(e, &d.docker().CleanupImage) },
	"docker.cleanup.image.delay":   func(d *decoder, e entry) { d.duration(e, &d.docker().CleanupImageDelay) },
	"docker.volumes.enabled":       func(d *decoder, e entry) { d.boolean(e, &d.docker().VolumesEnabled) },
	"docker.volumes.selinuxlabel":  func(d *decoder, e entry) { d.text(e, &d.docker().SELinuxLabel, checkSELinux) },
	"docker.logging.type":          func(d *decoder, e entry) { d.text(e, &d.docker().LogType, checkName) },
	"docker.pull.activity_timeout": (*decoder).activityTimeout,
	"docker.privileged.enabled":    func(d *decoder, e entry) { d.boolean(e, &d.docker().PrivilegedEnabled) },
	"docker.caps.allowlist":        func(d *decoder, e entry) { d.words(e, &d.docker().CapsAllowlist, checkCapability) },
	"docker.devices.allowlist":     func(d *decoder, e entry) { d.words(e, &d.docker().DevicesAllowlist, checkDevice) },

	"docker.auth.config": func(d *decoder, e entry) { d.text(e, &d.docker().AuthConfig, checkFile) },
	"docker.auth.helper": func(d *decoder, e entry) { d.text(e, &d.docker().AuthHelper, checkHelper) },
}

func (d *decoder) docker() *Docker { return &d.cfg.Client.Docker }

func (d *decoder) option(e entry) {
	if set, ok := options[e.name]; ok {
		set(d, e)
		return
	}
	if key, ok := strings.CutPrefix(e.name, loggingConfig); ok && key != "" {
		d.logOption(e, key)
		return
	}
	d.unknown(e.rng, "option", e.name, slices.Sorted(maps.Keys(options)))
}

// logOption sets one option of the log driver. The default's limits stay
// beside it; together drops them if they belong to another driver.
func (d *decoder) logOption(e entry, key string) {
	var s string
	if d.scalar(e, &s) {
		d.docker().LogConfig[key] = s
	}
}

func (d *decoder) activityTimeout(e entry) {
	before := d.docker().PullActivityTimeout
	d.duration(e, &d.docker().PullActivityTimeout)
	if d.docker().PullActivityTimeout == 0 {
		d.docker().PullActivityTimeout = before
		d.fail(e.expr.Range(), "Invalid value", e.path+`: with 0 every pull would end at once; write a duration such as "2m".`)
	}
}

// together checks what single options cannot know of each other.
func (d *decoder) together() {
	c, docker := d.cfg.Client, d.docker()
	if err := checkPorts(c); err != nil {
		at, ok := d.at["client.min_dynamic_port"]
		if !ok {
			at = d.at["client.max_dynamic_port"]
		}
		d.fail(at, "Invalid value", "client: "+err.Error()+".")
	}
	if err := checkTLS(*docker); err != nil {
		d.fail(d.firstOf("docker.tls.cert", "docker.tls.key", "docker.tls.ca"), "Invalid value", err.Error()+".")
	}
	if docker.LogType == logJSONFile {
		return
	}
	for key := range Default().Client.Docker.LogConfig {
		if _, set := d.at["client.options."+loggingConfig+key]; !set {
			delete(docker.LogConfig, key)
		}
	}
}

// firstOf is where the first of the options stands that is set.
func (d *decoder) firstOf(names ...string) hcl.Range {
	for _, name := range names {
		if at, ok := d.at["client.options."+name]; ok {
			return at
		}
	}
	return hcl.Range{}
}
