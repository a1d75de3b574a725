package job

import (
	"time"
)

// How the address of a service is found.
const (
	// AddressAuto is the container's own address where its network gives it one
	// that others can route to (a user-defined network), else the host's.
	AddressAuto = "auto"
	// AddressHost is the address and the port on the host.
	AddressHost = "host"
	// AddressDriver is the container's address, and its port inside.
	AddressDriver = "driver"
)

// Service is something that an allocation offers to others under a name.
type Service struct {
	Name string `json:"name"` // may hold runtime names
	// Port is the label of a port, or with AddressDriver also a number; empty
	// for a service without one.
	Port        string   `json:"port,omitempty"`
	Tags        []string `json:"tags,omitempty"`
	AddressMode string   `json:"address_mode,omitempty"` // empty is AddressAuto
	Checks      []Check  `json:"check,omitempty"`
}

// CheckType is how a Check looks.
type CheckType string

// The types of checks.
const (
	CheckHTTP   CheckType = "http"   // 2xx passes, 429 warns, all else fails
	CheckTCP    CheckType = "tcp"    // a connection passes
	CheckScript CheckType = "script" // exit 0 passes, 1 warns, all else fails; runs in the container
)

// Defaults of a check block.
const (
	DefaultCheckInterval = 10 * time.Second
	DefaultCheckTimeout  = 2 * time.Second
	DefaultCheckMethod   = "GET"
)

// Check looks, again and again, whether a service works. Zero fields are
// their default.
type Check struct {
	Name                   string              `json:"name,omitempty"` // unique in its service
	Type                   CheckType           `json:"type"`
	Task                   string              `json:"task,omitempty"`         // script of a group's service: the task it runs in
	Port                   string              `json:"port,omitempty"`         // label or number; empty is the service's
	AddressMode            string              `json:"address_mode,omitempty"` // empty is AddressHost
	Path                   string              `json:"path,omitempty"`         // http
	Method                 string              `json:"method,omitempty"`       // http
	Header                 map[string][]string `json:"header,omitempty"`       // http
	Protocol               string              `json:"protocol,omitempty"`     // http or https
	TLSSkipVerify          bool                `json:"tls_skip_verify,omitempty"`
	Command                string              `json:"command,omitempty"` // script
	Args                   []string            `json:"args,omitempty"`    // script
	Interval               Duration            `json:"interval"`
	Timeout                Duration            `json:"timeout"`
	SuccessBeforePassing   int                 `json:"success_before_passing,omitempty"`   // 0 and 1: the first success
	FailuresBeforeCritical int                 `json:"failures_before_critical,omitempty"` // 0 and 1: the first failure
	CheckRestart           *CheckRestart       `json:"check_restart,omitempty"`
}

// CheckRestart restarts a task whose check stays critical.
type CheckRestart struct {
	Limit          int      `json:"limit,omitempty"` // critical looks in a row; 0 is never
	Grace          Duration `json:"grace,omitempty"` // after a start, in which nothing counts
	IgnoreWarnings bool     `json:"ignore_warnings,omitempty"`
}

// DefaultCheckGrace is the grace of a check_restart block without one.
const DefaultCheckGrace = time.Second

// CheckStatus is what a check has come to.
type CheckStatus string

// The states of a check, in Consul's words.
const (
	CheckPending  CheckStatus = "pending" // no result yet
	CheckPassing  CheckStatus = "passing"
	CheckWarning  CheckStatus = "warning"
	CheckCritical CheckStatus = "critical"
)

// CheckState is where a check stands. It changes with the status alone, not
// with each look.
type CheckState struct {
	Status CheckStatus `json:"status"`
	Since  time.Time   `json:"since"`
	Output string      `json:"output,omitempty"` // of the look that changed the status; bounded
	// Container is the id of the container that was looked at: what is known of
	// another says nothing about this one.
	Container string `json:"container,omitempty"`
}

// MaxCheckOutput bounds CheckState.Output, in bytes.
const MaxCheckOutput = 512

// CheckTarget is one check of one allocation, ready to be run: every runtime
// name is resolved.
type CheckTarget struct {
	Key       string // names it within its allocation
	Check     Check
	Address   string // host or IP; http and tcp
	Port      int
	Container string // id of the container that the result is about, and in which a script runs
	// Known is the state from the allocation's record. It holds until the first
	// own result, if it is of the same Container.
	Known CheckState
}
