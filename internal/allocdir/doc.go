// Package allocdir owns the directories of allocations, and what is fetched into
// them:
//
//	DATA_DIR/alloc/                0711
//	├── .artifacts/                0700  artifacts on their way, one directory each
//	└── <alloc id>/                0755
//	    ├── .artifacts/            0700  a file for each artifact that was fetched
//	    ├── alloc/                 0777  /alloc of every task
//	    └── <task>/                0755  what a relative volume is relative to
//	        ├── local/             0777  /local
//	        └── secrets/           0700  /secrets, of the task's user if numeric
//
// A task called "alloc" has its directory under ".alloc".
//
// It promises:
//
//   - Build may be repeated. A directory gets its mode and owner when it is
//     made, whatever the umask; one that is there is left as its task has it.
//   - Nothing outside the allocation's directory is made, changed or removed,
//     whatever links a task has put there. All of it goes through os.Root.
//   - Resolve returns a path without links, within the allocation's directory.
//   - Fetch puts nothing outside the task's directory, whatever an archive, a
//     server or a task does. It prepares an artifact where no container looks,
//     refuses links that lead out of it, devices and names with "..", and then
//     renames each file into place. Files that are there are replaced, each at
//     once, and directories are merged. Every user may read what was fetched, who
//     could run it still may, and set-user-id and the like are gone.
//   - An artifact is fetched once for an allocation and task. Its cost has bounds
//     in bytes (downloaded, and again unpacked), files and time, and the last of
//     the disk is left to others. Three are fetched at once, in all.
//   - No password and no parameter of a source stands in an error.
//   - What a crash leaves of an artifact goes with the next that is fetched.
//
// Sources are http, https and, with the Option LocalSources, absolute paths of
// the host. A relative path has no place that it could be relative to, and is
// refused. Parameters of a source and options are go-getter's archive, checksum
// and filename; others go to the server. Unlike go-getter: archive = "true" is
// what the name says, links in archives are links, a compressed file that is no
// archive loses the ending of its name with mode any, and a list of checksums
// may only come from where an artifact may.
//
// Caveats: a task that mounts its allocation's directory can put a link in the
// place of a directory at any time, so Build and Resolve are called anew
// before every container; between that and the engine's mount nobody can look.
// It can also remove the records of artifacts, which are then fetched again, or
// make some, and then does without its own.
// An absolute link within an allocation means a path of the host, as it does
// to the engine, and is refused. The package is safe for concurrent use; of one
// allocation Build alone is, since each of its tasks asks for it.
package allocdir
