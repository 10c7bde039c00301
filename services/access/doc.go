// Package access authenticates callers: it owns tokens, sessions of the console, sign-ins of
// the command line, keys of workers, and the audit log.
//
// # Owns
//
// Authentication on NATS: nats-server sends each new connection to this service (auth callout).
// People connect with tokens, workers with keys of their own, which are recorded when a worker
// joins (callout.go, workers.go). When a token or a key is revoked, its connections are closed
// (sweep.go).
//
// The tables tokens, sessions, devices and worker_keys. A token is created with a role and an
// expiry; its text is returned once and only its hash is recorded. A session begins with a token or with a
// sign-in link, which works once, and ends with the token at the latest.
//
// The audit log has one record for each request of a caller that changed something or was
// refused. The service that makes a change writes its record in the same transaction; this
// one lists the records, deletes old ones, and writes those of failed sign-ins.
//
// # Subjects
//
// Answers hodei.v1.tokens.* and .audit.list for admins, .workers.keys, .approve and .revoke for
// operators, and for the edge .access.authenticate, .sessions.* and .devices.*. Publishes
// access.changed after a token or a session was deleted, and every edge then clears its cache
// of callers.
//
// # State
//
// Only in Postgres. Any number of instances share the work.
//
// # When things fail
//
// Without this service NATS refuses new connections of people and of joined workers, and
// existing connections stay open. The edge accepts a caller that it has verified within the
// last seconds, and answers UNAVAILABLE to others. If access.changed is lost, a revoked token is
// refused when the edge's cache of it expires, after ten seconds.
//
// # Not here
//
// Which role an operation needs (package schemas), and the check (internal/rpc).
package access
