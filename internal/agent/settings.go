package agent

import (
	"reconciler/desired"
	"reconciler/internal/config"
	"reconciler/internal/docker"
	"reconciler/internal/host"
	"reconciler/internal/job"
	"reconciler/observed"
)

func clientConfig(cfg config.Config) docker.ClientConfig {
	return docker.ClientConfig{
		Endpoint: cfg.Client.Docker.Endpoint,
		TLSCert:  cfg.Client.Docker.TLS.Cert, TLSKey: cfg.Client.Docker.TLS.Key, TLSCA: cfg.Client.Docker.TLS.CA,
	}
}

func engineOptions(cfg config.Config) docker.Options {
	d := cfg.Client.Docker
	return docker.Options{
		VolumesEnabled: d.VolumesEnabled, SELinuxLabel: d.SELinuxLabel,
		PrivilegedEnabled: d.PrivilegedEnabled, CapsAllowlist: d.CapsAllowlist, DevicesAllowlist: d.DevicesAllowlist,
		Logging:             &job.Logging{Type: d.LogType, Config: d.LogConfig},
		PullActivityTimeout: d.PullActivityTimeout,
		AuthConfig:          d.AuthConfig, AuthHelper: d.AuthHelper,
	}
}

// newPorts gives out the ports of this host, but those that running
// containers have.
func newPorts(cfg config.Config, addr string, cache *observed.Cache) *host.Ports {
	return host.NewPorts(host.PortOptions{
		Address: addr, Min: cfg.Client.MinDynamicPort, Max: cfg.Client.MaxDynamicPort,
	}, publishedPorts{cache}.list)
}

func watcherConfig(o Options) desired.Config {
	return desired.Config{
		Dir: o.Config.ManifestDir, Grace: o.Config.DeleteGrace, AllowMassDeletion: o.Config.AllowMassDeletion, Poll: o.Poll,
	}
}
