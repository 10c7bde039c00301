// Package kv contains what Hodei stores in JetStream: the typed WORKERS bucket,
// the LEADERS bucket with the lease of one instance of a service, and the setup
// of the buckets and of the two streams.
//
// # Owns
//
// The configuration of EXECUTION_LOGS, EXECUTION_EVENTS, WORKERS and LEADERS,
// reading and writing worker availability, and consumers that end with their
// reader. Only the worker itself writes its key. The expiry of the key is the
// end of the worker's lease.
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
