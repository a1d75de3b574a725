package desired

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"reconciler/internal/job"
	"reconciler/store"
)

// Checked is what Validate found in one file, or of one path in a directory
// that is no manifest and has a problem.
type Checked struct {
	File     string     // as the caller named the path
	Jobs     []*job.Job // what the agent would run of it, without passwords
	Problems []store.Problem
}

// Validate reads manifests as the agent does, and returns each, with every
// problem that it would have with it, sorted by file and place: files that are
// named, in whatever way they are called, and directories with the files in
// them that count. The error is that of a path that is not there or cannot be
// read.
func Validate(paths []string) ([]Checked, error) {
	all := tree{files: map[string]found{}, loops: map[string]string{}, dark: map[string]error{}}
	for _, p := range paths {
		if err := all.add(p); err != nil {
			return nil, err
		}
	}
	now := time.Now()
	manifests, _ := newFiles(Parse).read(all, now)
	d := decide(view{
		now:   now.Add(time.Hour), // a file that is being written counts as it is
		files: manifests, dark: all.dark, loops: all.loops, ready: true,
	})
	names := slices.Concat(slices.Collect(maps.Keys(manifests)), slices.Collect(maps.Keys(d.manifests)))
	slices.Sort(names)
	var out []Checked
	for _, file := range slices.Compact(names) {
		out = append(out, Checked{File: file, Jobs: accepted(d, file, manifests[file]), Problems: d.manifests[file].Problems})
	}
	return out, nil
}

// accepted are the jobs of a file that the agent would take from it.
func accepted(d decision, file string, m manifest) []*job.Job {
	var out []*job.Job
	for _, j := range m.jobs {
		if rec := d.jobs[j.Name]; rec.File == file && rec.Spec != nil {
			out = append(out, j)
		}
	}
	return out
}

// add enters a file or a directory under the name that the caller gave it.
func (t *tree) add(p string) error {
	info, err := os.Stat(p)
	if err != nil {
		link, lerr := os.Lstat(p)
		if lerr != nil {
			return fmt.Errorf("%s: %s", p, reasonOf(err))
		}
		t.files[filepath.Clean(p)] = found{path: p, link: link, err: err}
		return nil
	}
	if !info.IsDir() {
		t.files[filepath.Clean(p)] = found{path: p}
		return nil
	}
	sub, err := scanTree(p, func(string, string) {})
	if err != nil {
		return fmt.Errorf("%s: %s", p, reasonOf(err))
	}
	for key, f := range sub.files {
		t.files[filepath.Join(p, filepath.FromSlash(key))] = f
	}
	for key, err := range sub.dark {
		t.dark[filepath.Join(p, key)] = err
	}
	for key, to := range sub.loops {
		t.loops[filepath.Join(p, key)] = filepath.Join(p, to)
	}
	return nil
}
