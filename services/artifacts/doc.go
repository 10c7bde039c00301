// Package artifacts stores the files that jobs leave: artifacts and caches.
//
// # Owns
//
// The tables blobs, artifacts and caches, and the content in a directory or in S3 (package blob). A
// blob is content with a SHA-256, stored once, however many rows refer to it. An artifact is a
// row that refers to a blob, with a name in its execution and an expiry. A cache is a row of a
// pipeline that refers to a blob, with a key and the time of its last use. The service evicts
// caches beyond a limit, and caches that no job uses.
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
// In memory: the permissions of transfers, for a few seconds.
//
// # When things fail
//
// The requests of a transfer are idempotent, so a transfer survives a restart of this service,
// and any instance can answer each request. An upload becomes visible when Complete has verified
// it. All artifacts of an execution become visible with one commit. Content without references
// is deleted in three steps: it is condemned in Postgres, under a lock that new references wait
// for; it is deleted from the store; its row is deleted.
//
// # Not here
//
// Packing and unpacking (internal/archive), the choice of files (worker), HTTP (edge).
package artifacts
