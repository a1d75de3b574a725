// Package allocdir owns the directories of allocations:
//
//	DATA_DIR/alloc/                0711
//	└── <alloc id>/                0755
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
//
// Caveats: a task that mounts its allocation's directory can put a link in the
// place of a directory at any time, so Build and Resolve are called anew
// before every container; between that and the engine's mount nobody can look.
// An absolute link within an allocation means a path of the host, as it does
// to the engine, and is refused. The package is safe for concurrent use; of one
// allocation Build alone is, since each of its tasks asks for it.
package allocdir
