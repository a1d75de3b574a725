// Package store owns the state of the agent: typed records in memory, and the
// bbolt file behind them.
//
// The file is DATA_DIR/state.db. It looks like this, and anybody can read it
// with the stock bbolt CLI while the daemon runs; keys and values are printable,
// a value is one line of JSON. The schema is drawn here and nowhere else; who
// changes it changes this drawing, and SchemaVersion and migrate.go with it.
//
//	state.db
//	├── meta
//	│   ├── schema_version                     1
//	│   ├── node_id                            "8d5c…"
//	│   ├── agent_version                      "v0.1.0", of the agent that wrote last
//	│   └── created                            "2026-01-02T15:04:05Z"
//	├── manifests
//	│   └── <file name>                        ManifestRecord
//	├── jobs
//	│   └── <job name>                         JobRecord
//	├── specs
//	│   └── <job name>/<generation, 8 digits>  SpecRecord
//	├── deployments
//	│   └── <job name>                         DeploymentRecord
//	├── allocs
//	│   └── <alloc id>                         {"spec": job.AllocSpec, "status": job.AllocStatus}
//	├── containers
//	│   └── <container name>                   ContainerRecord
//	├── images
//	│   ├── <image id>                         {"provenance": ImageProvenance, "clock": ImageClock}
//	│   └── intent/<reference>                 ImageIntent
//	├── services
//	│   └── <service>/<alloc id>[/[task][:port]]  ServiceRecord
//	├── events
//	│   └── <time, nanoseconds>/<sequence>     Event
//	└── quarantine
//	    └── <bucket>/<key>                     a value that could not be read, and why
//
// A rune of a key that is not printable, and a backslash, are written as Go
// escapes (\x00, \u00a0, \\).
//
// # Promises
//
// Reads come from memory and never wait for the file. A Put returns at once;
// the recorder (Store.Run) writes what is dirty, many records in one commit,
// the newest value of each. What a commit holds is everything up to one
// moment: never a later Put without an earlier one. Equal bytes are not
// written, and without anything dirty there is no transaction. Sync waits for
// the commit where the order of file and world matters.
//
// The file is opened for each transaction and closed after it, because bbolt
// holds an exclusive flock while it is open, and the bbolt CLI would wait for
// ever. A reader delays the record and nothing else.
//
// A file that was removed, replaced, truncated or written by somebody else is
// noticed before the next write, and within seconds when there is none; memory
// is then written anew, since memory is what the agent acts upon. (To restore a
// copy, stop the agent first.) A full or broken disk keeps the records dirty:
// they are tried again with backoff, and LastCommit tells the error.
//
// A corrupt file, or one of a newer schema, is moved aside and Fresh reports
// true. The structure is checked on the bytes before bbolt maps them: bbolt
// trusts page numbers, and a wrong one ends the process with a fault or an
// endless loop. A single record that cannot be decoded is moved to the
// quarantine bucket, so that a person can look at it, and is as good as absent.
//
// # Caveats
//
// A record is immutable after Put; times in records are UTC, which the writer
// sees to. Each table has one writer by convention. bbolt files do not shrink.
package store
