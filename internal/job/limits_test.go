package job

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLimits(t *testing.T) {
	const mb = 1 << 20
	for _, tc := range []struct {
		name string
		task Task
		mhz  int
		want Limits
	}{
		{"plain", Task{Resources: Resources{CPU: 500, MemoryMB: 64}}, 2000, Limits{CPUShares: 500, MemoryBytes: 64 * mb}},
		{"few shares", Task{Resources: Resources{CPU: 1, MemoryMB: 64}}, 2000, Limits{CPUShares: 2, MemoryBytes: 64 * mb}},
		{"many shares", Task{Resources: Resources{CPU: 10_000_000, MemoryMB: 64}}, 2000, Limits{CPUShares: 262144, MemoryBytes: 64 * mb}},
		{
			"memory_max",
			Task{Resources: Resources{CPU: 100, MemoryMB: 64, MemoryMaxMB: 128}},
			2000,
			Limits{CPUShares: 100, MemoryBytes: 128 * mb, ReservationBytes: 64 * mb},
		},
		{
			"memory_hard_limit",
			Task{Resources: Resources{CPU: 100, MemoryMB: 64}, Config: Config{MemoryHardLimitMB: 96}},
			2000,
			Limits{CPUShares: 100, MemoryBytes: 96 * mb, ReservationBytes: 64 * mb},
		},
		{
			"both, the larger",
			Task{Resources: Resources{CPU: 100, MemoryMB: 64, MemoryMaxMB: 80}, Config: Config{MemoryHardLimitMB: 96}},
			2000,
			Limits{CPUShares: 100, MemoryBytes: 96 * mb, ReservationBytes: 64 * mb},
		},
		{
			"pids",
			Task{Resources: Resources{CPU: 100, MemoryMB: 64}, Config: Config{PidsLimit: 7}},
			2000,
			Limits{CPUShares: 100, MemoryBytes: 64 * mb, PidsLimit: 7},
		},
		{
			"half a core",
			Task{Resources: Resources{CPU: 1000, MemoryMB: 64}, Config: Config{CPUHardLimit: true}},
			2000,
			Limits{CPUShares: 1000, MemoryBytes: 64 * mb, CPUPeriod: 100_000, CPUQuota: 50_000},
		},
		{
			"two cores, period",
			Task{Resources: Resources{CPU: 4000, MemoryMB: 64}, Config: Config{CPUHardLimit: true, CPUCFSPeriod: 10_000}},
			2000,
			Limits{CPUShares: 4000, MemoryBytes: 64 * mb, CPUPeriod: 10_000, CPUQuota: 20_000},
		},
		{
			"too little",
			Task{Resources: Resources{CPU: 1, MemoryMB: 64}, Config: Config{CPUHardLimit: true}},
			2000,
			Limits{CPUShares: 2, MemoryBytes: 64 * mb, CPUPeriod: 100_000, CPUQuota: 1000},
		},
		{
			"period alone",
			Task{Resources: Resources{CPU: 100, MemoryMB: 64}, Config: Config{CPUCFSPeriod: 10_000}},
			2000,
			Limits{CPUShares: 100, MemoryBytes: 64 * mb},
		},
	} {
		if diff := cmp.Diff(tc.want, tc.task.Limits(tc.mhz)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
}

func TestCoreMHz(t *testing.T) {
	for text, want := range map[string]int{"2600": 2600, "": DefaultCoreMHz, "fast": DefaultCoreMHz, "0": DefaultCoreMHz} {
		if got := (Node{Attributes: map[string]string{AttrCPUFrequency: text}}).CoreMHz(); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}
