// Package artifacts stores the files that jobs leave: artifacts and caches.
//
// # Owns
//
// The tables blobs, artifacts and caches, and the content in a directory or in S3 (package blob). A
// blob is content under its SHA-256, stored once whatever refers to it. An artifact is a row
// that refers to a blob: the name that an execution gave to it, and until when it is kept. A
// cache is such a row of a pipeline: a key, and when it was used last. Caches beyond a limit,
// and those that no job uses, are evicted.
//
// # Subjects
//
// Answers hodei.v1.artifacts.*, hodei.v1.caches.* and hodei.v1.sources.* for people: the latter
// upload a tree for a run, which the orchestrator refers to. For workers, with the id of the worker as the last
// token: blobs.begin, .write and .commit store content, blobs.read returns it, artifacts.keep
// records the artifacts of an execution, artifacts.inputs lists those that one receives;
// caches.find and caches.save are the same for its caches.
// Publishes and receives artifact.due.
//
// # State
//
// In memory: for a few seconds, which transfers were found to be allowed.
//
// # When things fail
//
// A transfer is made of requests that may be repeated, so it survives a restart of this
// service, and any instance can answer any of them. An upload is visible once Complete has
// verified it, and artifacts with the commit that records all those of an execution. Content
// to which nothing refers is first condemned in Postgres, under a lock that a
// transaction which refers to it waits for, then deleted from the store, then forgotten.
//
// # Not here
//
// Packing and unpacking (internal/archive), which jobs leave files and receive them (worker),
// HTTP (edge).
package artifacts
