package docker

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"sync"
)

// archive is one version of an archive file.
type archive struct {
	stat archiveStat
	has  contents
}

// loadedArchives remembers what archives hold, so that an unchanged file is
// not read again, and what was loaded from them. Both are a cache: after a
// restart an archive is read again, and one whose image id cannot be foretold
// (unknown compression, the containerd store) is loaded once more.
type loadedArchives struct {
	mu     sync.Mutex
	byPath map[string]archive
	byRef  map[string]loadedImage
}

type loadedImage struct {
	id  string
	key string
}

// maxRemembered bounds both maps; every allocation has a path of its own.
const maxRemembered = 512

func newLoadedArchives() *loadedArchives {
	return &loadedArchives{byPath: map[string]archive{}, byRef: map[string]loadedImage{}}
}

// look returns what the archive holds: from memory if its stat is the same.
func (l *loadedArchives) look(f *os.File, path string) (archive, error) {
	stat, _, err := statArchive(f)
	if err != nil {
		return archive{}, err
	}
	l.mu.Lock()
	known, ok := l.byPath[path]
	l.mu.Unlock()
	if ok && known.stat == stat {
		return known, nil
	}
	has, err := readContents(f)
	if err != nil {
		return archive{}, err
	}
	a := archive{stat: stat, has: has}
	l.mu.Lock()
	if len(l.byPath) >= maxRemembered {
		clear(l.byPath)
	}
	l.byPath[path] = a
	l.mu.Unlock()
	return a, nil
}

// same reports whether loading a would leave ref at the image id.
func (l *loadedArchives) same(ref, id string, a archive) bool {
	if a.has.readable && a.has.ids[ref] == id {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.byRef[ref] == loadedImage{id: id, key: a.key(ref)}
}

func (l *loadedArchives) remember(ref, id string, a archive) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.byRef) >= maxRemembered {
		clear(l.byRef)
	}
	l.byRef[ref] = loadedImage{id: id, key: a.key(ref)}
}

// key identifies what the archive holds for ref: by content where that can
// be read, else by the file.
func (a archive) key(ref string) string {
	if a.has.readable {
		return a.has.ids[ref]
	}
	b, err := json.Marshal([]any{a.stat.size, a.stat.mtime, a.stat.dev, a.stat.inode, a.stat.changed})
	if err != nil {
		panic("docker: archive key: " + err.Error()) // numbers and times only
	}
	return string(b)
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
