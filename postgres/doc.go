// Package postgres is the record: the committed state of everything, from
// pipelines, runs and executions to workers, logs, tokens and secrets.
//
// # Owns
//
// The schema (migrations/, embedded, forward only, applied under a lock) and
// all SQL, one file for each noun. A row is scanned into the struct that is
// also the JSON.
//
// # State
//
// Each change of the state of an execution or a worker is one UPDATE guarded by
// the transition table in package hodei (`status = ANY(from)`). If the row is in
// another state, the UPDATE changes nothing and the caller gets CONFLICT. A run
// and its jobs change under the lock of the run. The CHECK of each status column
// repeats the states of the tables; a test compares them.
//
// # When things fail
//
// Errors are *hodei.Error: NOT_FOUND, CONFLICT, or UNAVAILABLE if the database
// is unreachable. Every write may be repeated: identifiers are chosen before
// the first attempt, and log chunks have the key (execution, first sequence).
//
// # Not here
//
// No NATS, no decisions. The only goroutines are those of the pools, of the
// batches (internal/batch), and one that waits for the flush of an end (life.go).
package postgres
