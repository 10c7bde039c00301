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
// Everything here can be lost and rebuilt: Setup creates what is missing, a
// worker writes its key again within a third of the lease, and a watch whose
// consumer vanished is started anew by whoever runs it.
//
// # Not here
//
// No decisions about workers: workermanager declares one lost, scheduler/plan
// chooses among them.
package kv
