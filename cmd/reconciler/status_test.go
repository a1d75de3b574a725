package main

import (
	"testing"

	"reconciler/internal/control"
	"reconciler/internal/job"
)

func TestImagesOfAJob(t *testing.T) {
	j := control.JobStatus{Allocs: []control.AllocStatus{{Alloc: job.Alloc{Status: job.AllocStatus{Tasks: map[string]job.TaskStatus{
		"web": {ImageID: "sha256:a"}, "waits": {},
	}}}}}}
	got := imagesOf([]control.ImageStatus{{ID: "sha256:a"}, {ID: "sha256:b"}}, j)
	if len(got) != 1 || got[0].ID != "sha256:a" {
		t.Errorf("%v", got)
	}
}
