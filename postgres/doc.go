// Package postgres is the record: the committed state of pipelines, jobs,
// executions, workers and logs.
//
// # Owns
//
// The schema (migrations/, embedded, forward only, applied under a lock) and
// all SQL, one file for each noun. A row is scanned into the struct that is
// also the JSON.
//
// # State
//
// Each change of state is one UPDATE guarded by the transition table in package
// hodei (`status = ANY(from)`). The CHECK of each status column repeats the
// states of that table; a test compares them. If the row is in another state,
// the UPDATE changes nothing and the caller gets CONFLICT.
//
// # When things fail
//
// Errors are *hodei.Error: NOT_FOUND, CONFLICT, or UNAVAILABLE if the database
// is unreachable. Every write may be repeated: identifiers are chosen before
// the first attempt, and log chunks have the key (execution, first sequence).
//
// # Not here
//
// No NATS, no decisions, no goroutines except those of the pool.
package postgres
