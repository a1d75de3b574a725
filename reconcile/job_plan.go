package reconcile

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"reconciler/internal/job"
	"reconciler/store"
)

// ActionKind is what the jobs controller does to an allocation.
type ActionKind string

// The actions of the jobs controller.
const (
	// ActionPlace makes an allocation that runs at once.
	ActionPlace ActionKind = "place"
	// ActionPrepare makes an allocation that gets its image and waits for its
	// predecessor to end.
	ActionPrepare ActionKind = "prepare"
	// ActionPromote lets a prepared allocation run.
	ActionPromote ActionKind = "promote"
	// ActionStop asks for the end of an allocation.
	ActionStop ActionKind = "stop"
	// ActionAdvance moves an allocation to a new generation in place.
	ActionAdvance ActionKind = "advance"
)

// Reasons of actions, for people.
const (
	ReasonNew        = "New"         // nothing was at the index
	ReasonReplace    = "SpecChanged" // Fields tells what
	ReasonReady      = "PredecessorEnded"
	ReasonReplaced   = "Replaced" // its successor is prepared
	ReasonScaledDown = "ScaledDown"
	ReasonJobDeleted = "JobDeleted"
	ReasonGroupGone  = "GroupRemoved"
	ReasonDuplicate  = "Duplicate"         // another allocation has the index
	ReasonNewer      = "Superseded"        // a newer edit came before it ran
	ReasonInPlace    = "UpdatedInPlace"    // Fields tells what
	ReasonRestart    = "RestartRequested"  // an operator asked for it
	ReasonPortLost   = "PortLost"          // another process took a dynamic port
	ReasonBeside     = "BesidePredecessor" // it may run while its predecessor does
	ReasonSucceeded  = "SuccessorHealthy"  // its successor ran beside it, and is healthy
	ReasonNotHealthy = "UpdateUnhealthy"   // it did not become healthy, and its predecessor runs
	ReasonGivenUp    = "UpdateFailed"      // another allocation of the update did not
	ReasonConstraint = "ConstraintNotMet"  // an edited constraint keeps it from this host
	ReasonDistinct   = "DistinctHosts"     // there is one host
)

// Action is one change of the allocation table.
type Action struct {
	Kind    ActionKind
	Group   string
	Index   int
	AllocID string // of an existing allocation
	Reason  string
	Fields  []string
	// Generation is the one that the allocation is placed in or moved to.
	Generation uint64
}

// String prints an action as plans, logs and tests show it.
func (a Action) String() string {
	s := fmt.Sprintf("%s %s[%d]", a.Kind, a.Group, a.Index)
	if a.AllocID != "" {
		s += " " + a.AllocID
	}
	s += " (" + a.Reason
	if len(a.Fields) > 0 {
		s += " " + strings.Join(a.Fields, ", ")
	}
	return s + ")"
}

// JobInput is everything that PlanJob decides on.
type JobInput struct {
	Name   string
	Record store.JobRecord // zero with Known false: no file and no record names the job
	Known  bool
	// SpecProblem is the first error in the job's file; empty if it is good.
	SpecProblem string
	Allocs      []job.Alloc
	// Specs are what the allocations were made from, by alloc id, each of the
	// generation in which the allocation is; an allocation of which nobody knows
	// that is not in it.
	Specs map[string]*job.Job
	// Stable are the specs of the generations that have worked, by group, as far
	// as they are known.
	Stable map[string]*job.Job
	// Unmet says, by group, which constraint this host does not meet.
	Unmet map[string]string
	// GapTo is since when dockerd has been in sight: it may have been away before,
	// or this agent, and what the records say is of then. No deadline counts what
	// was before.
	GapTo      time.Time
	Deployment store.DeploymentRecord
	// Highest is the highest generation on a label of the job's containers.
	Highest uint64
	// WaitFor names other jobs that must be gone before anything of this one
	// is placed, and what they share with it.
	WaitFor []string
	// Refused are the indexes ("group[0]") at which an allocation could not be
	// placed or promoted, and until when that is not tried again.
	Refused map[string]Refusal
	// PortBusy says, by id of a prepared allocation, why a static port that it
	// needs could not be had even after its predecessor's end.
	PortBusy map[string]string
	Now      time.Time
}

// Refusal is why an allocation could not be placed.
type Refusal struct {
	Reason  string
	Message string
	Until   time.Time
}

// JobPlan is what to change in the allocation table, the deployment record
// to write, and when to look again if nothing happens (zero: never).
type JobPlan struct {
	Actions    []Action
	Deployment store.DeploymentRecord
	WakeAt     time.Time
}

// PlanJob decides which allocations of a job should exist. It is a pure
// function: equal input gives an equal plan.
func PlanJob(in JobInput) JobPlan {
	p := jobPlanner{in: in, groups: map[string]store.GroupDeployment{}}
	switch {
	case !in.Known:
		// Absent is not deleted: nothing is done to it.
	case !in.Deployment.HoldSince.IsZero():
		// A person works on it.
	case !in.Record.Deleted.IsZero():
		p.stopAll(ReasonJobDeleted)
	case in.Record.Spec == nil || in.Record.Held == store.HeldOutdated || in.Highest > in.Record.Generation:
		// Held: what runs is newer than what we know, or known from labels only.
	default:
		p.planSpec(in.Record.Spec)
	}
	return JobPlan{Actions: p.actions, Deployment: p.deployment(), WakeAt: p.wakeAt}
}

type jobPlanner struct {
	in       JobInput
	actions  []Action
	groups   map[string]store.GroupDeployment
	progress string   // why the job is not yet as wanted; "" if it is
	degraded *Refusal // why it is worse than wanted; the first reason of all
	wakeAt   time.Time
}

// retryAt is when an operator last asked for another try. A time that lies
// ahead is from before the clock was set back: it has been acted on.
func (p *jobPlanner) retryAt() time.Time { return passed(p.in.Deployment.RetryAt, p.in.Now) }

// degrade notes what a person should know. The first reason stays.
func (p *jobPlanner) degrade(reason, format string, args ...any) {
	if p.degraded == nil {
		p.degraded = &Refusal{Reason: reason, Message: fmt.Sprintf(format, args...)}
	}
}

func (p *jobPlanner) add(a Action) { p.actions = append(p.actions, a) }

func (p *jobPlanner) note(format string, args ...any) {
	if p.progress == "" {
		p.progress = fmt.Sprintf(format, args...)
	}
}

func (p *jobPlanner) stopAll(reason string) {
	for _, a := range p.sorted(p.in.Allocs) {
		p.stop(a, reason)
		if !a.Ended() {
			p.note("allocation %s is stopping", a.Spec.ID)
		}
	}
}

func (p *jobPlanner) stop(a job.Alloc, reason string, fields ...string) {
	if a.Spec.Desired == job.DesiredStop {
		return
	}
	p.add(Action{Kind: ActionStop, Group: a.Spec.Group, Index: a.Spec.Index, AllocID: a.Spec.ID, Reason: reason, Fields: fields})
}

func (p *jobPlanner) planSpec(spec *job.Job) {
	for i := range spec.Groups {
		g := groupPlanner{jobPlanner: p, name: spec.Groups[i].Name}
		g.plan()
	}
	for _, a := range p.sorted(p.in.Allocs) {
		if spec.Group(a.Spec.Group) == nil {
			p.stop(a, ReasonGroupGone)
			if !a.Ended() {
				p.note("allocation %s is stopping", a.Spec.ID)
			}
		}
	}
}

// sorted orders allocations so that plans do not depend on map order.
func (p *jobPlanner) sorted(allocs []job.Alloc) []job.Alloc {
	return slices.SortedFunc(slices.Values(allocs), func(a, b job.Alloc) int {
		return cmp.Or(
			cmp.Compare(a.Spec.Group, b.Spec.Group),
			cmp.Compare(a.Spec.Index, b.Spec.Index),
			a.Spec.CreatedAt.Compare(b.Spec.CreatedAt),
			cmp.Compare(a.Spec.ID, b.Spec.ID),
		)
	})
}

// deployment is the record after this plan: conditions and pinned images.
func (p *jobPlanner) deployment() store.DeploymentRecord {
	d := p.in.Deployment
	d.Groups = maps.Clone(d.Groups)
	if p.in.Known && p.in.Record.Spec != nil && len(p.groups) > 0 {
		d.Groups = p.groups
		d.ObservedGeneration = p.in.Record.Generation
	}
	d.Conditions, d.Phase = jobConditions(p.in, p.actions, p.progress, p.degraded, d.Conditions)
	return d
}
