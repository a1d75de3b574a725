package desired

// notYet holds the options of the language that this version does not build
// yet, by the kind of section they stand in. They are known, so that a
// manifest which needs one fails with that reason and not as a typo, and it
// never runs without what it asked for. To build an option, take it out here
// and add its decoder.
var notYet = map[string][]string{
	"job":    {"constraint"},
	"group":  {"constraint", "restart", "service", "shutdown_delay"},
	"task":   {"artifact", "constraint", "leader", "restart", "service", "shutdown_delay"},
	"update": {"auto_revert", "health_check", "healthy_deadline", "progress_deadline"},
	"config": {"advertise_ipv6_address"},
}

// notSupported holds what Nomad has and this language will not.
var notSupported = map[string][]string{
	"": {"variables", "volume"},
	"job": {
		"affinity", "all_at_once", "consul", "migrate", "multiregion", "namespace", "node_pool",
		"parameterized", "periodic", "reschedule", "spread", "ui", "vault",
	},
	"group": {
		"affinity", "consul", "disconnect", "ephemeral_disk", "max_client_disconnect", "migrate",
		"reschedule", "scaling", "spread", "stop_after_client_disconnect", "vault", "volume",
	},
	"task": {
		"action", "affinity", "consul", "csi_plugin", "dispatch_payload", "identity", "kind",
		"lifecycle", "scaling", "schedule", "secret", "template", "vault", "volume_mount",
	},
	"logs":         {"disabled", "enabled"},
	"mount":        {"consistency"},
	"resources":    {"cores", "device", "disk", "iops", "numa", "secrets"},
	"update":       {"auto_promote"},
	"network":      {"cni", "dns", "hostname", "mbits"},
	"task network": {"cidr", "device", "dns", "mode"},
	"port":         {"host_network", "ignore_collision"},
	"task port":    {"host_network", "ignore_collision"},
	"config":       {"container_exists_attempts", "cpuset_cpus", "isolation", "windows_allow_insecure_container_admin"},
	"variable":     {"ephemeral", "nullable", "sensitive", "validation"},
}

// sectionTitle names a kind of section in a message, after "the".
func sectionTitle(kind string) string {
	switch kind {
	case "":
		return "manifest"
	case "driver_config", "bind_options", "volume_options", "tmpfs_options":
		return kind + " of a mount"
	case "mount":
		return "mount"
	case "device":
		return "device"
	case "network":
		return "group's network block"
	case "task network":
		return "task's network block"
	case "task port":
		return "port block"
	}
	return kind + " block"
}
