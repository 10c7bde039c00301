// Package postgres is the record: what is true of pipelines, jobs, executions,
// workers and logs is what is committed here.
//
// # Owns
//
// The schema (migrations/, embedded, forward only, applied under a lock) and
// every line of SQL, one file a noun. A row is scanned into the same struct
// that travels as JSON.
//
// # State
//
// Each change of state is one UPDATE guarded by the table in hodei
// (`status = ANY(from)`), and the CHECK of each status column repeats the
// table's states; a test compares them. An UPDATE that finds its row in
// another state changes nothing and returns CONFLICT.
//
// # When things fail
//
// Errors leave as *hodei.Error: NOT_FOUND, CONFLICT, or UNAVAILABLE when the
// database cannot be reached. Every write may be repeated: identifiers are
// made before the first try, log chunks are keyed by execution and first line.
//
// # Not here
//
// No NATS, no decisions, no goroutines beyond the pool's own.
package postgres
