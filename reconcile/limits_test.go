package reconcile

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reconciler/internal/job"
	"reconciler/observed"
)

// inLimits is a container that is as a task with every limit asks for.
func inLimits(c *observed.Container) {
	c.MemoryBytes, c.MemorySwap, c.MemorySoft = 512<<20, 512<<20, job.DefaultMemoryMB<<20
	c.CPUPeriod, c.CPUQuota, c.PidsLimit = 100_000, 5_000, 64
}

func withLimits(in *AllocInput) {
	c := &in.Group.Tasks[0].Config
	c.MemoryHardLimitMB, c.CPUHardLimit, c.PidsLimit = 512, true, 64
	in.CoreMHz = 2000
}

func TestDriftOfLimits(t *testing.T) {
	for _, tc := range []struct {
		name string
		edit func(c *observed.Container)
		want string
	}{
		{"as asked", func(*observed.Container) {}, "nothing"},
		{"the hard limit", func(c *observed.Container) { c.MemoryBytes = job.DefaultMemoryMB << 20 }, "update web (Drift memory)"},
		{"swap", func(c *observed.Container) { c.MemorySwap = 1 << 30 }, "update web (Drift memory)"},
		{"the reservation", func(c *observed.Container) { c.MemorySoft = 1 << 20 }, "update web (Drift memory)"},
		{"the quota", func(c *observed.Container) { c.CPUQuota = 50_000 }, "update web (Drift cpu_hard_limit)"},
		{"quota lifted", func(c *observed.Container) { c.CPUQuota = -1 }, "update web (Drift cpu_hard_limit)"},
		{"the period", func(c *observed.Container) { c.CPUPeriod = 50_000 }, "update web (Drift cpu_hard_limit)"},
		{"the number of processes", func(c *observed.Container) { c.PidsLimit = 7 }, "update web (Drift pids_limit)"},
		{"number of processes lifted", func(c *observed.Container) { c.PidsLimit = -1 }, "update web (Drift pids_limit)"},
		{"a kernel without any of them", func(c *observed.Container) {
			c.MemorySoft, c.CPUPeriod, c.CPUQuota, c.PidsLimit = 0, 0, 0, 0
		}, "nothing"},
	} {
		got := PlanAlloc(allocInput(withLimits, with(observed.Running, 1, inLimits, tc.edit)))
		if got.Step.String() != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got.Step, tc.want)
		}
	}
}

// What the manifest does not limit is not managed: a person may.
func TestLimitsThatNobodyAskedFor(t *testing.T) {
	in := allocInput(with(observed.Running, 1, func(c *observed.Container) {
		c.MemorySoft, c.CPUPeriod, c.CPUQuota, c.PidsLimit = 1<<20, 50_000, 10_000, 7
	}))
	if got := PlanAlloc(in).Step.String(); got != "nothing" {
		t.Error(got)
	}
}

func TestClaimsOfMounts(t *testing.T) {
	j := webJob(func(j *job.Job) {
		c := &j.Groups[0].Tasks[0].Config
		c.VolumeDriver = "flocker"
		c.Volumes = []string{"/srv/a:/a", "/srv/b:/b:ro", "named:/c", "other:/d:ro"}
		c.Mounts = []job.Mount{
			{Type: job.MountBind, Source: "/srv//e/", Target: "/e"},
			{Type: job.MountBind, Source: "/srv/f", Target: "/f", ReadOnly: true},
			{Type: job.MountBind, Source: "inside", Target: "/g"},
			{Type: job.MountVolume, Source: "pg", Target: "/h"},
			{Type: job.MountVolume, Target: "/i"},
			{Type: job.MountTmpfs, Target: "/j"},
		}
	})
	want := []string{"volume /srv/a", "volume /srv/e", "volume named", "volume pg"}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(claims(j)))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
