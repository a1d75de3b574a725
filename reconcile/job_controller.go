package reconcile

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"reconciler/internal/imageref"
	"reconciler/internal/job"
	"reconciler/internal/taskenv"
	"reconciler/store"
)

// syncJob brings the allocation table of one job to what its plan says. life
// ends when the agent is told to stop; ctx a grace period later.
func (c *Controller) syncJob(ctx, life context.Context, name string) {
	if !c.Observe.Synced() || life.Err() != nil {
		return
	}
	c.adopt(name)
	in, plan, ok := c.planJob(name)
	if !ok {
		return
	}
	if len(plan.Actions) > 0 {
		// The spec that the actions follow from must outlive a crash.
		// A file that somebody holds delays this by a second and no more.
		if err := c.Store.Sync(ctx); err != nil {
			c.Log.WithField("job", name).WithError(err).Debug("spec not committed yet")
		}
	}
	for _, a := range plan.Actions {
		c.apply(in, a)
	}
	now := c.Now()
	c.jobs.addAt(name, plan.WakeAt, now)
	if len(plan.Actions) > 0 {
		c.jobs.add(name)
	}
}

// planJob plans a job and writes its deployment. ok is false for a job that
// nothing is left of.
func (c *Controller) planJob(name string) (in JobInput, plan JobPlan, ok bool) {
	c.deploy.Lock()
	defer c.deploy.Unlock()
	in = c.jobInput(name)
	if !in.Known && len(in.Allocs) == 0 {
		c.Store.Deployments.Delete(name)
		return in, plan, false
	}
	plan = PlanJob(in)
	c.Store.Deployments.Put(name, plan.Deployment)
	return in, plan, true
}

// jobInput reads everything that PlanJob needs.
func (c *Controller) jobInput(name string) JobInput {
	in := JobInput{Name: name, Allocs: c.allocsOf(name), Specs: map[string]*job.Job{}, Now: c.Now()}
	in.Record, in.Known = c.Store.Jobs.Get(name)
	in.Deployment, _ = c.Store.Deployments.Get(name)
	in.SpecProblem = c.specProblem(name, in.Record)
	in.Refused = c.refusals.of(name, in.Record.Generation)
	for _, ct := range c.Observe.Job(name) {
		in.Highest = max(in.Highest, ct.Identity.Generation)
	}
	for i, a := range in.Allocs {
		if a.Ended() {
			c.Ports.Release(a.Spec.ID)
			continue
		}
		in.Allocs[i].Status = c.currentStatus(a)
		if spec := c.madeFrom(a.Spec); spec != nil {
			in.Specs[a.Spec.ID] = spec
		}
	}
	in.GapTo = passed(c.Observe.Status().Since, in.Now)
	in.Stable = c.stable(name, in.Deployment)
	if in.Record.Spec != nil && in.Record.Deleted.IsZero() {
		in.Unmet = unmet(c.Node(), in.Record.Spec)
		in.WaitFor = c.waitFor(name, in.Record.Spec)
		in.PortBusy = c.probePorts(in.Allocs)
	}
	return in
}

// stable returns the specs of the generations that have worked, by group.
func (c *Controller) stable(name string, d store.DeploymentRecord) map[string]*job.Job {
	out := map[string]*job.Job{}
	for group, g := range d.Groups {
		if g.Stable == nil {
			continue
		}
		rec, _ := c.Store.Specs.Get(store.SpecKey(name, g.Stable.Generation))
		if matches(rec.Spec, job.AllocSpec{Group: group, SpecHash: g.Stable.SpecHash}) {
			out[group] = rec.Spec
		}
	}
	return out
}

// unmet says, by group, which constraint of a job a host does not meet.
func unmet(node job.Node, j *job.Job) map[string]string {
	out := map[string]string{}
	for i := range j.Groups {
		g := &j.Groups[i]
		if why, ok := taskenv.Unmet(node, j, g, job.Constraints(j, g)); !ok {
			out[g.Name] = why
		}
	}
	return out
}

// target is the spec of the generation that an action is about: the wanted
// one, or the last that worked.
func (in JobInput) target(a Action) *job.Job {
	if stable := in.Stable[a.Group]; stable != nil && a.Generation != in.Record.Generation {
		return stable
	}
	return in.Record.Spec
}

// specProblem is the first error of the job's file.
func (c *Controller) specProblem(name string, rec store.JobRecord) string {
	m, ok := c.Store.Manifests.Get(rec.File)
	if !ok {
		return ""
	}
	for _, p := range m.Problems {
		if p.Severity != store.SeverityWarning && (p.Job == "" || p.Job == name) {
			return p.String()
		}
	}
	return ""
}

// apply carries out one action. It touches no container: the allocs
// controller sees the changed record.
func (c *Controller) apply(in JobInput, a Action) {
	var spec job.AllocSpec
	var err error
	switch a.Kind {
	case ActionPlace, ActionPrepare:
		spec, err = c.place(in, a)
	case ActionPromote:
		spec, err = c.promote(in, a)
	default:
		var ok bool
		if spec, ok = c.Store.AllocSpecs.Get(a.AllocID); !ok {
			return
		}
		if a.Kind == ActionStop {
			spec.Desired, spec.Reason = job.DesiredStop, a.Reason
		} else {
			spec.Generation = a.Generation
		}
	}
	log := c.Log.WithFields(logrus.Fields{"job": in.Name, "group": a.Group, "index": a.Index, "reason": a.Reason})
	if err != nil {
		if c.refuse(in, a, err) {
			log.WithError(err).Warn("allocation not placed")
		}
		return
	}
	c.refusals.clear(in.Name, slotKey(a.Group, a.Index))
	c.Store.AllocSpecs.Put(spec.ID, spec)
	if len(a.Fields) > 0 {
		log = log.WithField("fields", strings.Join(a.Fields, ", "))
	}
	log.WithFields(logrus.Fields{"alloc": spec.ID, "generation": spec.Generation}).Info("allocation " + string(a.Kind))
	c.Store.Event(store.Event{
		Time: c.Now(), Type: store.EventNormal, Reason: a.Reason,
		Job: in.Name, Alloc: spec.ID, Message: a.String(),
	})
}

// refuse notes why an action could not be carried out. It reports whether
// that is news: the same answer every few seconds is not.
func (c *Controller) refuse(in JobInput, a Action, err error) bool {
	kind, reason := job.KindOf(err)
	news := c.refusals.set(in.Name, in.Record.Generation, slotKey(a.Group, a.Index),
		Refusal{Reason: reason, Message: err.Error()}, kind == job.WaitsForUser, c.Now())
	if news {
		c.Store.Event(store.Event{
			Time: c.Now(), Type: store.EventWarning, Reason: reason, Job: in.Name,
			Message: slotKey(a.Group, a.Index) + ": " + err.Error(),
		})
	}
	return news
}

// place makes the record of a new allocation with its ports.
func (c *Controller) place(in JobInput, a Action) (job.AllocSpec, error) {
	target, now := in.target(a), c.Now().UTC()
	g := target.Group(a.Group)
	spec := job.AllocSpec{
		ID: c.NewID(), Job: in.Name, Group: a.Group, Index: a.Index,
		Generation: a.Generation, SpecHash: job.SpecHash(target, g),
		Desired: job.DesiredRun, Reason: a.Reason, CreatedAt: now, RunAt: now,
		RestartAt: in.Deployment.RestartAt,
	}
	reserve := c.Ports.Reserve
	if a.Kind == ActionPrepare {
		spec.Desired, spec.RunAt, reserve = job.DesiredPrepare, time.Time{}, c.Ports.ReserveDynamic
	}
	ports, err := reserve(spec.ID, g.PortRequests())
	if err != nil {
		return spec, err
	}
	spec.Ports = ports
	if spec.Images, err = c.images(target, g, spec); err != nil {
		c.Ports.Release(spec.ID)
		return spec, err
	}
	return spec, nil
}

// promote lets a prepared allocation run: its static ports must be free now.
func (c *Controller) promote(in JobInput, a Action) (job.AllocSpec, error) {
	spec, ok := c.Store.AllocSpecs.Get(a.AllocID)
	if !ok {
		return spec, fmt.Errorf("allocation %s: no record", a.AllocID)
	}
	ports, err := c.Ports.Reserve(spec.ID, in.target(a).Group(a.Group).PortRequests())
	if err != nil {
		return spec, err
	}
	spec.Ports, spec.Desired, spec.Reason, spec.RunAt = ports, job.DesiredRun, a.Reason, c.Now().UTC()
	return spec, nil
}

// images resolves what the tasks call their images to canonical references.
func (c *Controller) images(j *job.Job, g *job.Group, a job.AllocSpec) (map[string]string, error) {
	out := map[string]string{}
	node := c.Node()
	for i := range g.Tasks {
		t := &g.Tasks[i]
		env := taskenv.New(taskenv.Input{Node: node, Job: j, Group: g, Task: t, Alloc: a})
		ref, err := imageref.Parse(env.Replace(t.Config.Image))
		if err != nil {
			return nil, job.NewError(job.WaitsForUser, "ImageInvalid", fmt.Errorf("task %s: image %q: %w", t.Name, t.Config.Image, err))
		}
		out[t.Name] = ref
	}
	return out, nil
}

// ReapAlloc forgets an ended allocation: gc has removed its directory.
func (c *Controller) ReapAlloc(id string) {
	status, _ := c.Store.AllocStatuses.Get(id)
	if status.EndedAt.IsZero() {
		return
	}
	c.Ports.Release(id)
	c.Store.AllocStatuses.Delete(id)
	c.Store.AllocSpecs.Delete(id)
}

// newID returns a random UUID (RFC 9562, version 4).
func newID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails (crypto/rand)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
