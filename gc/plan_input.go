package gc

import (
	"time"

	"reconciler/internal/job"
	"reconciler/observed"
	"reconciler/store"
)

// Input is everything that Plan decides on. Plan keeps and changes nothing of
// it.
type Input struct {
	Now time.Time
	// Enabled is docker.cleanup.image: if false nothing is removed, and the
	// clocks run all the same.
	Enabled bool
	// Delay is docker.cleanup.image.delay; 0 removes at once.
	Delay time.Duration
	// Ready is false until every manifest was read once, and while they cannot
	// be read: nothing is removed then, since a job that wants an image may not
	// be known.
	Ready bool

	// Images and Containers are complete lists.
	Images     []observed.Image
	Containers []observed.Container

	Jobs        map[string]store.JobRecord
	Specs       map[string]store.SpecRecord
	Deployments map[string]store.DeploymentRecord
	Allocs      map[string]job.AllocSpec
	Statuses    map[string]job.AllocStatus

	// Provenance was read before Images was listed: an image that is brought
	// in between is then unknown for one round, and never taken for gone.
	Provenance map[string]store.ImageProvenance
	Clocks     map[string]store.ImageClock
	// Intents are all intents by key, also read before Images was listed.
	Intents map[string]store.ImageIntent
	// Left are the keys of the intents that nobody may settle any more; the
	// others belong to pulls of this process.
	Left map[string]bool
	// Refused are the images whose removal did not succeed, by id.
	Refused map[string]Refusal
}

// Refusal is a removal that did not succeed.
type Refusal struct {
	Until time.Time // not tried again before
	Why   string    // for people
}

// Output is what should be. Its slices are sorted.
type Output struct {
	// Clocks is the whole of what store.Clocks should hold: other records go.
	Clocks map[string]store.ImageClock
	// Delete lists the images that may go now.
	Delete []Deletion
	// Adopt is provenance, by image id, that the puller's record lacks: from
	// labels after the loss of the store, or from the intent of a pull that a
	// crash cut short. It is to be merged into what there is.
	Adopt map[string]store.ImageProvenance
	// Forget lists the ids with provenance that are on this host no more.
	Forget []string
	// DropIntents lists the left intents that are settled, by reference.
	DropIntents []store.ImageIntent
	// WakeAt is when time alone will change the plan; zero: never.
	WakeAt time.Time
}

// Settled reports whether there is nothing to do but to record clocks.
func (o Output) Settled() bool {
	return len(o.Delete)+len(o.Adopt)+len(o.Forget)+len(o.DropIntents) == 0
}

// Deletion is one image that may go.
type Deletion struct {
	ID string
	// Refs are the references that are ours, tags before digests. With none
	// the id has no reference at all and goes by its id.
	Refs []string
	// Others are references that are not ours. If there are any, our
	// references go and the image stays.
	Others []string
	Size   int64     // bytes
	Since  time.Time // of the clock
	// Unused is how long nothing has needed the image.
	Unused time.Duration
}
