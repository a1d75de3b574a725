package docker

import (
	"cmp"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/versions"

	"reconciler/internal/job"
)

// network sets the network mode.
func (b *builder) network() error {
	mode := cmp.Or(b.env.Replace(b.conf.NetworkMode), job.DefaultNetworkMode)
	mode, _ = b.joined(mode)
	b.out.HostConfig.NetworkMode = container.NetworkMode(mode)
	return nil
}

// joined turns "container:<task>" of a task of the same group into the name of
// its container in this allocation, and reports whether it was one.
func (b *builder) joined(mode string) (string, bool) {
	name, ok := job.JoinedContainer(mode)
	if !ok || b.req.Group.Task(name) == nil {
		return mode, false
	}
	return job.ContainerMode + job.ContainerName(name, b.req.Alloc.ID), true
}

// macPerNetwork is the API version from which a MAC address belongs to the
// endpoint and no longer to the container.
const macPerNetwork = "1.44"

// addresses sets fixed addresses and names within the network.
func (b *builder) addresses() error {
	mode := string(b.out.HostConfig.NetworkMode)
	ep := network.EndpointSettings{Aliases: b.replaceAll(b.conf.NetworkAliases)}
	v4, v6 := b.env.Replace(b.conf.IPv4Address), b.env.Replace(b.conf.IPv6Address)
	if v4 != "" || v6 != "" {
		ep.IPAMConfig = &network.EndpointIPAMConfig{IPv4Address: v4, IPv6Address: v6}
	}
	mac := b.env.Replace(b.conf.MACAddress)
	switch {
	case (ep.IPAMConfig != nil || len(ep.Aliases) > 0) && !job.UserNetwork(mode):
		return refused(ReasonInvalidConfig, "fixed addresses and network_aliases need a network made with docker network create, and network_mode is %q", mode)
	case mac != "" && !job.OwnNetwork(mode):
		return refused(ReasonInvalidConfig, "mac_address: a container with network_mode %q has no interface of its own", mode)
	case mac != "" && b.olderThan(macPerNetwork):
		b.out.Config.MacAddress = mac //nolint:staticcheck // deprecated since API 1.44, and the only way before
	default:
		ep.MacAddress = mac
	}
	if ep.IPAMConfig != nil || len(ep.Aliases) > 0 || ep.MacAddress != "" {
		b.out.NetworkingConfig = &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{mode: &ep}}
	}
	return nil
}

// names sets how the container finds others by name.
func (b *builder) names() error {
	hc := b.out.HostConfig
	hc.DNS = b.replaceAll(b.conf.DNSServers)
	hc.DNSSearch = b.replaceAll(b.conf.DNSSearchDomains)
	hc.DNSOptions = b.replaceAll(b.conf.DNSOptions)
	for _, entry := range b.replaceAll(b.conf.ExtraHosts) {
		host, ip, err := job.ParseExtraHost(entry)
		if err != nil {
			return invalid(err)
		}
		hc.ExtraHosts = append(hc.ExtraHosts, host+":"+ip)
	}
	return nil
}

// versioned are the options that not every engine knows, with the API version
// that brought them (moby docs/api/version-history.md). An older engine would
// drop them without a word.
var versioned = []struct {
	option, since string
	used          func(*job.Config) bool
}{
	{"init", "1.25", func(c *job.Config) bool { return c.Init }},
	{"mounts", "1.25", func(c *job.Config) bool { return len(c.Mounts) > 0 }},
	{"gpus", "1.40", func(c *job.Config) bool { return c.GPUs != nil }},
	{"cgroupns", "1.41", func(c *job.Config) bool { return c.Cgroupns != "" }},
}

// engineVersion refuses what the engine is too old for.
func (b *builder) engineVersion() error {
	var missing []string
	for _, v := range versioned {
		if v.used(b.conf) && b.olderThan(v.since) {
			missing = append(missing, v.option+" needs an engine with API "+v.since)
		}
	}
	if missing == nil {
		return nil
	}
	return refused(ReasonEngineTooOld, "%s; this one speaks %s: upgrade Docker, or remove the option",
		strings.Join(missing, ", "), b.opts.APIVersion)
}

func (b *builder) olderThan(version string) bool {
	return b.opts.APIVersion != "" && versions.LessThan(b.opts.APIVersion, version)
}
