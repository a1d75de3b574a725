package job

import (
	"cmp"
	"time"
)

// Type says how the allocations of a job are placed and when they are done.
type Type string

// The job types of the language. A system job is a service of count 1 on a
// single host.
const (
	TypeService Type = "service"
	TypeSystem  Type = "system"
	TypeBatch   Type = "batch" // runs until it exits with 0
)

// Defaults of the language (Nomad's jobspec, but for the log driver).
const (
	DefaultCPU              = 100              // MHz
	DefaultMemoryMB         = 300              // MB, 1024 * 1024 bytes each
	DefaultKillTimeout      = 5 * time.Second  // between the stop signal and SIGKILL
	DefaultMaxParallel      = 1                // allocations replaced at a time
	DefaultMinHealthyTime   = 10 * time.Second // running for so long is healthy
	DefaultHealthyDeadline  = 5 * time.Minute  // for an allocation to become healthy once it has started
	DefaultProgressDeadline = 10 * time.Minute // between two allocations of an update that become healthy
	DefaultNetworkMode      = "bridge"         // config.network_mode
	DriverDocker            = "docker"         // the only task driver
	GroupNetworkModeBridge  = "bridge"         // network.mode of a group
)

// Job is one job block of a manifest, or the job that a bare group or task
// block stands for.
type Job struct {
	Name        string            `json:"name"`
	Type        Type              `json:"type"`
	Datacenters []string          `json:"datacenters,omitempty"`
	Constraints []Constraint      `json:"constraint,omitempty"`
	Meta        map[string]string `json:"meta,omitempty"`
	Groups      []Group           `json:"groups"`
}

// Group is a set of tasks that are placed together, Count times.
type Group struct {
	Name        string            `json:"name"`
	Count       int               `json:"count"`
	Meta        map[string]string `json:"meta,omitempty"`
	Update      Update            `json:"update"`
	Ports       []Port            `json:"ports,omitempty"`   // of the group's network block
	Restart     *Restart          `json:"restart,omitempty"` // of the tasks that have none of their own
	Services    []Service         `json:"service,omitempty"`
	Constraints []Constraint      `json:"constraint,omitempty"`
	// ShutdownDelay is the time between the withdrawal of the services and the
	// first stop signal.
	ShutdownDelay Duration `json:"shutdown_delay,omitempty"`
	Tasks         []Task   `json:"tasks"`
}

// What makes an allocation healthy (Update.HealthCheck).
const (
	HealthByChecks = "checks"      // tasks run, HEALTHCHECKs and checks pass
	HealthByTasks  = "task_states" // tasks run
)

// NoDeadline is the ProgressDeadline of an update that has none.
const NoDeadline = Duration(-1)

// Update says how allocations are replaced when the group's SpecHash changes.
type Update struct {
	MaxParallel    int      `json:"max_parallel"`
	MinHealthyTime Duration `json:"min_healthy_time"`
	// HealthyDeadline and ProgressDeadline are read through HealthyWithin and
	// ProgressWithin: 0 is the default.
	HealthyDeadline  Duration `json:"healthy_deadline,omitempty"`
	ProgressDeadline Duration `json:"progress_deadline,omitempty"`
	AutoRevert       bool     `json:"auto_revert,omitempty"`  // put the last healthy generation back, once
	HealthCheck      string   `json:"health_check,omitempty"` // empty is HealthByChecks
}

// HealthyWithin is how long an allocation may take to become healthy, from the
// start of its last task.
func (u Update) HealthyWithin() time.Duration {
	return cmp.Or(u.HealthyDeadline.Std(), DefaultHealthyDeadline)
}

// ProgressWithin is how long an update may take from one allocation that
// becomes healthy to the next. ok is false if there is no bound.
func (u Update) ProgressWithin() (d time.Duration, ok bool) {
	if u.ProgressDeadline == NoDeadline {
		return 0, false
	}
	return cmp.Or(u.ProgressDeadline.Std(), DefaultProgressDeadline), true
}

// Task is one container of an allocation.
type Task struct {
	Name        string            `json:"name"`
	Driver      string            `json:"driver"`
	User        string            `json:"user,omitempty"`
	Config      Config            `json:"config"`
	Env         map[string]string `json:"env,omitempty"`
	Meta        map[string]string `json:"meta,omitempty"`
	Resources   Resources         `json:"resources"`
	Logs        Logs              `json:"logs,omitzero"`
	KillTimeout Duration          `json:"kill_timeout"`
	KillSignal  string            `json:"kill_signal,omitempty"`
	Artifacts   []Artifact        `json:"artifact,omitempty"`
	Restart     *Restart          `json:"restart,omitempty"` // nil is the group's
	Services    []Service         `json:"service,omitempty"`
	Constraints []Constraint      `json:"constraint,omitempty"`
	// ShutdownDelay is the task's own time between the withdrawal of the
	// services and its stop signal, after the group's.
	ShutdownDelay Duration `json:"shutdown_delay,omitempty"`
	// Leader ends the allocation when it has ended itself.
	Leader bool `json:"leader,omitempty"`
}

// Resources is what a task may use of the host.
type Resources struct {
	CPU      int `json:"cpu"`    // MHz; Docker's CPU shares
	MemoryMB int `json:"memory"` // MB; memory and memory + swap alike
	// MemoryMaxMB, if it is set, is what the container may never exceed;
	// MemoryMB is then what the engine tries to keep it to.
	MemoryMaxMB int    `json:"memory_max,omitempty"`
	Ports       []Port `json:"ports,omitempty"`
}

// Port is a labelled port that an allocation asks for on the host.
type Port struct {
	Label  string `json:"label"`
	Static int    `json:"static,omitempty"`  // host port; 0 asks for a dynamic one
	To     int    `json:"to,omitempty"`      // container port; 0 is the host port's number
	HostIP string `json:"host_ip,omitempty"` // address to bind; empty is the node's
}

// Config is the Docker driver's part of a task. Strings may hold runtime
// names such as ${NOMAD_PORT_http}, which are resolved when a container is
// made.
type Config struct {
	Image       string            `json:"image"`
	Load        string            `json:"load,omitempty"`
	ForcePull   bool              `json:"force_pull,omitempty"`
	Command     string            `json:"command,omitempty"`
	Args        []string          `json:"args,omitempty"`
	Entrypoint  []string          `json:"entrypoint,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	PortMap     map[string]int    `json:"port_map,omitempty"`
	Ports       []string          `json:"ports,omitempty"`
	NetworkMode string            `json:"network_mode,omitempty"`
	Volumes     []string          `json:"volumes,omitempty"`
	WorkDir     string            `json:"work_dir,omitempty"`
	Hostname    string            `json:"hostname,omitempty"`
	TTY         bool              `json:"tty,omitempty"`

	Interactive  bool         `json:"interactive,omitempty"`
	Init         bool         `json:"init,omitempty"` // the engine's init is process 1
	GroupAdd     []string     `json:"group_add,omitempty"`
	Healthchecks Healthchecks `json:"healthchecks,omitzero"`

	DNSServers       []string `json:"dns_servers,omitempty"`
	DNSSearchDomains []string `json:"dns_search_domains,omitempty"`
	DNSOptions       []string `json:"dns_options,omitempty"`
	ExtraHosts       []string `json:"extra_hosts,omitempty"` // see ParseExtraHost
	NetworkAliases   []string `json:"network_aliases,omitempty"`
	IPv4Address      string   `json:"ipv4_address,omitempty"`
	IPv6Address      string   `json:"ipv6_address,omitempty"`
	MACAddress       string   `json:"mac_address,omitempty"`

	Privileged     bool     `json:"privileged,omitempty"`
	CapAdd         []string `json:"cap_add,omitempty"` // see NormalCapability
	CapDrop        []string `json:"cap_drop,omitempty"`
	SecurityOpt    []string `json:"security_opt,omitempty"`
	ReadonlyRootfs bool     `json:"readonly_rootfs,omitempty"`
	IPCMode        string   `json:"ipc_mode,omitempty"` // see ParseNamespace
	PIDMode        string   `json:"pid_mode,omitempty"`
	UTSMode        string   `json:"uts_mode,omitempty"`
	UsernsMode     string   `json:"userns_mode,omitempty"`
	Cgroupns       string   `json:"cgroupns,omitempty"`
	Runtime        string   `json:"runtime,omitempty"`
	Devices        []Device `json:"devices,omitempty"`
	GPUs           *GPUs    `json:"gpus,omitempty"`

	VolumeDriver string            `json:"volume_driver,omitempty"`
	Mounts       []Mount           `json:"mounts,omitempty"` // of mounts and mount
	StorageOpt   map[string]string `json:"storage_opt,omitempty"`

	Sysctl       map[string]string `json:"sysctl,omitempty"`
	Ulimit       map[string]string `json:"ulimit,omitempty"`     // see ParseUlimit
	ShmSize      int               `json:"shm_size,omitempty"`   // bytes
	PidsLimit    int               `json:"pids_limit,omitempty"` // -1 is none
	OOMScoreAdj  int               `json:"oom_score_adj,omitempty"`
	CPUHardLimit bool              `json:"cpu_hard_limit,omitempty"`
	CPUCFSPeriod int               `json:"cpu_cfs_period,omitempty"` // microseconds
	// MemoryHardLimitMB makes resources.memory what the engine tries to keep
	// the container to, and this what it may never exceed.
	MemoryHardLimitMB int `json:"memory_hard_limit,omitempty"`

	Logging *Logging `json:"logging,omitempty"`

	// AdvertiseIPv6Address makes services with the container's address use the
	// IPv6 one. It is in no SpecHash.
	AdvertiseIPv6Address bool `json:"advertise_ipv6_address,omitempty"`

	// What follows is about bringing the image and in no SpecHash.

	Auth         *Auth `json:"auth,omitempty"`
	AuthSoftFail bool  `json:"auth_soft_fail,omitempty"` // go on anonymously when credentials fail
	// ImagePullTimeout bounds how long the task waits for its image; 0 is no
	// bound.
	ImagePullTimeout Duration `json:"image_pull_timeout,omitempty"`
}

// Logging chooses Docker's log driver for a container. A nil *Logging is the
// agent's default.
type Logging struct {
	Type   string            `json:"type,omitempty"`
	Config map[string]string `json:"config,omitempty"`
}

// Logs is the rotation of the files in which json-file and local keep what a
// container writes. Zero fields are the default's.
type Logs struct {
	MaxFiles      int `json:"max_files,omitempty"`
	MaxFileSizeMB int `json:"max_file_size,omitempty"`
}

// Group returns the group called name, or nil.
func (j *Job) Group(name string) *Group {
	for i := range j.Groups {
		if j.Groups[i].Name == name {
			return &j.Groups[i]
		}
	}
	return nil
}

// Task returns the task called name, or nil.
func (g *Group) Task(name string) *Task {
	for i := range g.Tasks {
		if g.Tasks[i].Name == name {
			return &g.Tasks[i]
		}
	}
	return nil
}

// WantedCount is the number of allocations that the group asks for in a job
// of type t.
func (g *Group) WantedCount(t Type) int {
	if t == TypeSystem {
		return 1
	}
	return g.Count
}

// PortRequest is a Port with the task that asked for it; Task is empty for a
// port of the group's network block.
type PortRequest struct {
	Port
	Task string
}

// PortRequests lists every port that one allocation of the group needs, in
// the order of the manifest, with To resolved through the port_map of the task
// (for a group port: of the first task that maps it or names it in ports).
func (g *Group) PortRequests() []PortRequest {
	var out []PortRequest
	for _, p := range g.Ports {
		for i := range g.Tasks {
			if to, ok := g.Tasks[i].Config.PortMap[p.Label]; ok && p.To == 0 {
				p.To = to
			}
		}
		out = append(out, PortRequest{Port: p})
	}
	for i := range g.Tasks {
		t := &g.Tasks[i]
		for _, p := range t.Resources.Ports {
			if to, ok := t.Config.PortMap[p.Label]; ok {
				p.To = to
			}
			out = append(out, PortRequest{Port: p, Task: t.Name})
		}
	}
	return out
}
