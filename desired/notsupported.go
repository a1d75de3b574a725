package desired

// notSupported holds what Nomad has and this language will not, by the kind of
// section it stands in. It is known, so that a manifest which needs it fails
// with that reason and not as a typo, and never runs without what it asked for.
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
	"artifact":     {"chown", "headers", "insecure"},
	"constraint":   {"distinct_property"},
	"restart":      {"render_templates"},
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
	"service": {
		"address", "canary_meta", "canary_tags", "cluster", "connect", "enable_tag_override", "identity", "kind",
		"meta", "on_update", "provider", "tagged_addresses", "task", "weights",
	},
	"check": {
		"body", "expose", "grpc_service", "grpc_use_tls", "initial_status", "notes", "on_update", "tls_server_name",
	},
}

// roomy are the sections in which people look for the options of another.
var roomy = []string{"", "job", "group", "task", "config", "resources", "network", "task network", "update", "restart", "service", "check"}

// homes says where the options stand that are often looked for in another
// section.
var homes = map[string]string{
	"artifact":       "a task",
	"check":          "a service",
	"check_restart":  "a check",
	"config":         "a task",
	"constraint":     "a job, a group or a task",
	"count":          "a group",
	"driver":         "a task",
	"env":            "a task",
	"group":          "a job",
	"job":            "the file, around everything else",
	"kill_signal":    "a task",
	"kill_timeout":   "a task",
	"leader":         "a task",
	"logs":           "a task",
	"network":        "a group, or in the resources of a task",
	"port":           "a network block",
	"resources":      "a task",
	"restart":        "a group or a task",
	"service":        "a group or a task",
	"shutdown_delay": "a group or a task",
	"task":           "a group or a job",
	"update":         "a job or a group",
	"user":           "a task",
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
