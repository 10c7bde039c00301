// Package access owns who may use Hodei: tokens, the sessions of the console, and the log
// of what was done.
//
// # Owns
//
// Who may connect to NATS, as the auth callout of nats-server asks it: people with tokens, and
// workers with keys of their own, which they record when they join (callout.go, workers.go).
// Connections of what is revoked are ended (sweep.go).
//
// The tables tokens, sessions and worker_keys. A token is created with a role and an expiry; its text is
// returned once and only its hash is recorded. A session begins with a token or with a
// sign-in link, which works once, and ends with the token at the latest.
//
// The audit log has one record for each request of a caller that changed something or was
// refused. The service that makes a change writes its record in the same transaction; this
// one lists the records, deletes old ones, and writes those of failed sign-ins.
//
// # Subjects
//
// Answers hodei.v1.tokens.* and .audit.list for admins, .workers.keys, .approve and .revoke, and for the edge hodei.v1.access.authenticate,
// .sessions.create and .sessions.delete. Publishes access.changed after a token or a session
// was deleted, so that every edge verifies again what it has cached.
//
// # State
//
// None but the record: any number of instances share the work.
//
// # When things fail
//
// Without this service NATS refuses new connections of people and of joined workers, and
// existing ones stay. The edge answers UNAVAILABLE to what it has not verified within the
// last seconds. If access.changed is lost, a revoked token is refused when the edge's cache
// of it expires, after ten seconds.
//
// # Not here
//
// Which role an operation needs (package schemas), and the check (internal/rpc).
package access
