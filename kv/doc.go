// Package kv is what Hodei keeps in JetStream: the WORKERS bucket, typed, the
// LEADERS bucket with the lease of one instance of a service, and the set-up of
// the buckets and of the two streams.
//
// # Owns
//
// The configuration of EXECUTION_LOGS, EXECUTION_EVENTS, WORKERS and LEADERS, and the
// reading and writing of worker availability; and how a consumer is made that
// is gone with its reader. A key is written by its worker alone; its expiry is
// the end of the worker's lease.
//
// # When things fail
//
// Everything here can be lost and rebuilt: Setup creates missing streams, a
// worker renews its key within a third of the lease, and the caller of a watch
// restarts it after its consumer is lost.
//
// # Not here
//
// No decisions about workers: services/workermanager declares a worker lost,
// services/scheduler/plan chooses one.
package kv
