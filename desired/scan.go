package desired

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"syscall"
)

// errMoved says that another directory took the place of ours while it was
// being read: what was read is worth nothing.
var errMoved = errors.New("the directory was replaced while it was read")

// found is a manifest that a scan came upon.
type found struct {
	path string // absolute or relative to the process; for opening
	link fs.FileInfo
	err  error // of a link that cannot be followed
}

// tree is what one look at the manifest directory found. Keys are paths
// relative to it, with slashes.
type tree struct {
	id    dirID
	files map[string]found
	// dark are folders that are there and could not be read: of what lies in
	// them nothing is known. Absent is not empty.
	dark map[string]error
	// loops are links to a folder that contains them, and where they lead.
	loops map[string]string
}

// walker reads the tree once. It is made anew for every scan.
type walker struct {
	tree
	// watch is called with each folder before it is read, so that what changes
	// in it afterwards makes an event; with a file's name in it, only events of
	// that name count.
	watch   func(dir, only string)
	visited map[[2]uint64]string // device and inode of a folder -> its key
	links   []folder             // linked folders, read after the real ones so that real names win
}

type folder struct {
	path, key string
}

// scanTree reads the names in dir and its subfolders. An error means that
// nothing is known about the directory as a whole.
func scanTree(dir string, watch func(dir, only string)) (tree, error) {
	id, err := identify(dir)
	if err != nil {
		return tree{}, err
	}
	w := &walker{
		tree:    tree{id: id, files: map[string]found{}, dark: map[string]error{}, loops: map[string]string{}},
		watch:   watch,
		visited: map[[2]uint64]string{{id.dev, id.ino}: ""},
	}
	resolved, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return tree{}, err
	}
	if err := w.folder(folder{path: resolved}); err != nil {
		return tree{}, err
	}
	for len(w.links) > 0 {
		next := w.links[0]
		w.links = w.links[1:]
		w.linkedFolder(next)
	}
	if again, err := identify(dir); err != nil {
		return tree{}, err
	} else if again != id {
		return tree{}, errMoved
	}
	return w.tree, nil
}

// folder reads one folder. Its error is that of the listing: half a listing
// is none.
func (w *walker) folder(f folder) error {
	w.watch(f.path, "")
	entries, err := os.ReadDir(f.path)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !isHidden(e.Name()) {
			w.entry(f, e)
		}
	}
	return nil
}

func (w *walker) entry(in folder, e fs.DirEntry) {
	sub := folder{path: filepath.Join(in.path, e.Name()), key: path.Join(in.key, recordKey(e.Name()))}
	switch {
	case e.IsDir():
		w.subfolder(sub)
	case e.Type()&fs.ModeSymlink != 0:
		w.link(sub, e)
	case isManifestName(e.Name()):
		w.files[sub.key] = found{path: sub.path}
	}
}

// link follows a link to a file or folder.
func (w *walker) link(at folder, e fs.DirEntry) {
	self, err := os.Lstat(at.path)
	if err != nil {
		return // gone since the listing
	}
	info, err := os.Stat(at.path)
	switch {
	case err == nil && info.IsDir():
		w.links = append(w.links, at)
	case isManifestName(e.Name()):
		w.files[at.key] = found{path: at.path, link: self, err: err}
		if target, err := filepath.EvalSymlinks(at.path); err == nil {
			w.watch(filepath.Dir(target), filepath.Base(target))
		}
	case err != nil:
		// It may be a folder on a mount that is away.
		w.dark[at.key] = err
	}
}

// subfolder reads a real folder below the manifest directory.
func (w *walker) subfolder(f folder) {
	if depthOf(f.key) > maxDepth {
		return
	}
	info, err := os.Lstat(f.path)
	if err == nil && !info.IsDir() {
		return // replaced since the listing; that makes an event
	}
	if err == nil && !w.enter(f, info) {
		return
	}
	if err == nil {
		err = w.folder(f)
	}
	// A folder that went since its parent was listed is simply gone.
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		w.dark[f.key] = err
	}
}

// linkedFolder reads a folder that a link leads to.
func (w *walker) linkedFolder(f folder) {
	if depthOf(f.key) > maxDepth {
		return
	}
	resolved, err := filepath.EvalSymlinks(f.path)
	if err != nil {
		w.dark[f.key] = err
		return
	}
	info, err := os.Stat(resolved)
	if err != nil {
		w.dark[f.key] = err
		return
	}
	if !w.enter(f, info) {
		return
	}
	if err := w.folder(folder{path: resolved, key: f.key}); err != nil {
		w.dark[f.key] = err
	}
}

// enter reports whether the folder has not been read in this scan. A link to
// a folder above itself is noted as a loop; a second name for a folder
// elsewhere is passed over.
func (w *walker) enter(f folder, info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return true
	}
	id := [2]uint64{st.Dev, st.Ino}
	first, seen := w.visited[id]
	if !seen {
		w.visited[id] = f.key
		return true
	}
	if first == "" || inFolder(f.key, first) {
		w.loops[f.key] = first
	}
	return false
}

// inFolder reports whether key lies in the folder, at any depth.
func inFolder(key, folder string) bool {
	return len(key) > len(folder) && key[:len(folder)] == folder && key[len(folder)] == '/'
}

// dirProblem words why the manifest directory as a whole cannot be read.
func dirProblem(dir string, err error) (reason, message string) {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "DirectoryMissing", fmt.Sprintf("the manifest directory %s does not exist; everything stays as it is until it is back", dir)
	case errors.Is(err, errMoved):
		return "DirectoryReplaced", fmt.Sprintf("the manifest directory %s was replaced while it was read; everything stays as it is until it can be read", dir)
	}
	return "DirectoryUnreadable", fmt.Sprintf("the manifest directory %s cannot be read (%s); everything stays as it is until it can", dir, reasonOf(err))
}
