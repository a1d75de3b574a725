package store

import (
	"fmt"
	"time"

	"reconciler/internal/job"
)

// Problem is one thing that is wrong with a manifest, where it is, and what
// to do about it. Line and the columns count from 1; they are 0 for a problem
// of the whole file.
type Problem struct {
	File     string `json:"file"`
	Line     int    `json:"line,omitempty"`
	Col      int    `json:"col,omitempty"`
	EndCol   int    `json:"end_col,omitempty"`
	Severity string `json:"severity,omitempty"` // "" is an error, "warning" is none
	Summary  string `json:"summary"`            // "Unsupported argument"
	Detail   string `json:"detail,omitempty"`   // what was expected, what to do
	Job      string `json:"job,omitempty"`      // set if the problem is one job's alone
}

// SeverityWarning marks a Problem that keeps nothing from running.
const SeverityWarning = "warning"

// String prints p as compilers do: `web.hcl:12,5-17: Unsupported argument; …`.
func (p Problem) String() string {
	s := p.File
	if p.Line > 0 {
		s += fmt.Sprintf(":%d,%d", p.Line, p.Col)
		if p.EndCol > p.Col {
			s += fmt.Sprintf("-%d", p.EndCol)
		}
	}
	s += ": "
	if p.Severity == SeverityWarning {
		s += "Warning: "
	}
	s += p.Summary
	if p.Detail != "" {
		s += "; " + p.Detail
	}
	return s
}

// ManifestRecord is what is known of one manifest file.
type ManifestRecord struct {
	Hash     string    `json:"hash"` // of the bytes
	Jobs     []string  `json:"jobs,omitempty"`
	Problems []Problem `json:"problems,omitempty"`
	Since    time.Time `json:"since"` // of this hash and these problems
}

// Hold reasons of a JobRecord.
const (
	HeldMassDeletion = "MassDeletionHeld" // its deletion waits for confirm-deletions or for the file
	HeldOrphan       = "OrphanHeld"       // containers of ours, and no file has named the job since the store was made
	HeldOutdated     = "SpecOutdated"     // the stored spec is older than what runs
	HeldByOperator   = "HeldByOperator"   // reconciler hold; never in a JobRecord
)

// JobRecord is what should run under a job name. Desired writes it.
type JobRecord struct {
	Generation uint64   `json:"generation"` // +1 per semantic change
	Hash       string   `json:"hash,omitempty"`
	File       string   `json:"file,omitempty"` // relative to the manifest directory
	Spec       *job.Job `json:"spec,omitempty"` // last good spec; nil for an orphan

	// MissingSince is when the file or the block was first seen gone; zero
	// while it is there. After the deletion grace Deleted is set.
	MissingSince time.Time `json:"missing_since,omitzero"`
	// Held is why nothing of the job is deleted or changed, and since when.
	Held      string    `json:"held,omitempty"`
	HeldSince time.Time `json:"held_since,omitzero"`
	// Deleted makes the record a tombstone: the job's allocations are to be
	// stopped. A job without any record is never stopped: absent is not empty.
	Deleted time.Time `json:"deleted,omitzero"`
}

// SpecRecord is the spec of one generation that an allocation still runs.
type SpecRecord struct {
	Spec *job.Job `json:"spec"`
}

// SpecKey is the key of a generation in the specs bucket: "web/00000007".
func SpecKey(jobName string, generation uint64) string {
	return fmt.Sprintf("%s/%08d", jobName, generation)
}

// DeploymentRecord is the progress of a job. The jobs controller writes it.
type DeploymentRecord struct {
	ObservedGeneration uint64                     `json:"observed_generation"`
	Phase              string                     `json:"phase"`
	Conditions         []job.Condition            `json:"conditions,omitempty"`
	Groups             map[string]GroupDeployment `json:"groups,omitempty"`

	// What an operator asked for, and when; zero if never.
	HoldSince  time.Time `json:"hold_since,omitzero"`  // nothing is done to the job
	ReleasedAt time.Time `json:"released_at,omitzero"` // the last hold ended
	RetryAt    time.Time `json:"retry_at,omitzero"`    // backoff from before is forgotten
	RestartAt  time.Time `json:"restart_at,omitzero"`  // allocations made before are replaced
	PullAt     time.Time `json:"pull_at,omitzero"`     // allocations made since ask the registry anew
}

// GroupDeployment is the part of a deployment that belongs to one group.
type GroupDeployment struct {
	SpecHash string `json:"spec_hash"`
	// Images is the image id per task that the first allocation of SpecHash
	// found, so that a tag that moves meanwhile never splits a job.
	Images map[string]string `json:"images,omitempty"`
	// Refs is the canonical reference per task that Images was found for: a
	// runtime name in it makes the images of one group differ.
	Refs map[string]string `json:"refs,omitempty"`
	// Stable is the last generation of which all allocations were healthy at
	// once; nil if none ever was.
	Stable *StableGroup `json:"stable,omitempty"`
	// Failed is why the update was given up; nil if it was not.
	Failed *UpdateFailure `json:"failed,omitempty"`
	// Reverted says that auto_revert has put Stable back in the place of what
	// failed.
	Reverted bool `json:"reverted,omitempty"`
}

// StableGroup is a generation of a group that has worked.
type StableGroup struct {
	Generation uint64            `json:"generation"`
	SpecHash   string            `json:"spec_hash"`
	Images     map[string]string `json:"images,omitempty"` // image id per task
	Refs       map[string]string `json:"refs,omitempty"`   // as in GroupDeployment
}

// UpdateFailure is why an update was given up, and when.
type UpdateFailure struct {
	Reason  string    `json:"reason"` // CamelCase
	Message string    `json:"message"`
	At      time.Time `json:"at"`
	// Generation is the one that failed; another is tried anew.
	Generation uint64 `json:"generation"`
	// Alloc is the allocation that failed. Should it become healthy after all,
	// the update goes on.
	Alloc string `json:"alloc"`
}

// ServiceRecord is one instance of a service. It is there for as long as
// others may be sent to it; the allocs controller writes it, under ServiceKey.
type ServiceRecord struct {
	Name    string          `json:"name"`
	Job     string          `json:"job"`
	Group   string          `json:"group"`
	Task    string          `json:"task,omitempty"` // empty for a service of the group
	Alloc   string          `json:"alloc"`
	Address string          `json:"address"` // IP
	Port    int             `json:"port,omitempty"`
	Tags    []string        `json:"tags,omitempty"`
	Health  job.CheckStatus `json:"health"` // the worst of its checks
	Since   time.Time       `json:"since"`  // of Health
}

// ServiceKey is the key of an instance in the services bucket: the service,
// the allocation, and what tells two services of one name in it apart.
func ServiceKey(service, allocID, owner string) string {
	key := service + "/" + allocID
	if owner != "" {
		key += "/" + owner
	}
	return key
}

// ContainerRecord is the last that was seen of a container of ours.
type ContainerRecord struct {
	ID         string    `json:"id"`
	Job        string    `json:"job"`
	AllocID    string    `json:"alloc_id"`
	Image      string    `json:"image"`
	ImageID    string    `json:"image_id"`
	State      string    `json:"state"`
	ExitCode   int       `json:"exit_code"`
	OOMKilled  bool      `json:"oom_killed,omitempty"`
	StartedAt  time.Time `json:"started_at,omitzero"`
	FinishedAt time.Time `json:"finished_at,omitzero"`
}

// ImageProvenance is what we know of an image that we brought. The puller
// writes it. An image without one is not ours and is never deleted.
type ImageProvenance struct {
	Refs   []string  `json:"refs"` // canonical references that we pulled or loaded
	Source string    `json:"source"`
	Size   int64     `json:"size,omitempty"` // bytes
	At     time.Time `json:"at"`
}

// ImageClock is where an image stands on its way out. GC writes it.
type ImageClock struct {
	UnusedSince time.Time `json:"unused_since,omitzero"`
	DeleteAt    time.Time `json:"delete_at,omitzero"`
	Kept        string    `json:"kept,omitempty"` // why it is kept
}

// ImageIntent is written, and committed, before a pull or load of a reference
// that is absent, under the key IntentKey(ref) of the images bucket: a crash
// in the middle leaves the knowledge that the image is ours.
type ImageIntent struct {
	Ref    string    `json:"ref"`
	Source string    `json:"source"`
	At     time.Time `json:"at"`
}

// Event is one thing that happened, to what, and why.
type Event struct {
	Time    time.Time `json:"time"`
	Type    string    `json:"type"`   // "Normal" or "Warning", as in Kubernetes
	Reason  string    `json:"reason"` // CamelCase
	Job     string    `json:"job,omitempty"`
	Task    string    `json:"task,omitempty"`
	Alloc   string    `json:"alloc,omitempty"`
	Message string    `json:"message"`
	Count   int       `json:"count"`            // equal neighbours, counted
	First   time.Time `json:"first,omitzero"`   // of the Count
	Object  string    `json:"object,omitempty"` // a file, image or container, if the event is about one
}

// Event types.
const (
	EventNormal  = "Normal"
	EventWarning = "Warning"
)
