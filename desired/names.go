package desired

import (
	"path"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxDepth is how many levels of subfolders are read; what lies deeper is
// ignored.
const maxDepth = 4

// isManifestName reports whether a file of this base name is a manifest.
// Hidden files, backups and what editors and sed leave behind for a moment
// (.web.hcl.swp, web.hcl~, #web.hcl#, .#web.hcl, 4913, sedXyz123) are not, and
// nobody says a word about them.
func isManifestName(base string) bool {
	if isHidden(base) || strings.HasPrefix(base, "#") {
		return false
	}
	ext := path.Ext(base)
	return (ext == ".hcl" || ext == ".nomad") && len(base) > len(ext)
}

// isHidden reports whether a folder or file is skipped for its leading dot.
// The folders behind a ConfigMap's ..data link are hidden too: their files are
// read through the links beside it.
func isHidden(base string) bool { return strings.HasPrefix(base, ".") }

// depthOf is the number of folders below the manifest directory that lead to
// the folder of this key; the directory itself has the key "".
func depthOf(key string) int {
	if key == "" {
		return 0
	}
	return strings.Count(key, "/") + 1
}

// recordKey makes the relative path of a file fit to be a key in the state
// file, whose keys are printable.
func recordKey(rel string) string {
	printable := utf8.ValidString(rel)
	for _, r := range rel {
		printable = printable && strconv.IsPrint(r)
	}
	if printable {
		return rel
	}
	q := strconv.Quote(rel)
	return q[1 : len(q)-1]
}
