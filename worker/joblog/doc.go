// Package joblog is the log of an execution at the worker: from the pipes of its command
// until the record has every line.
//
// # Owns
//
// Reading the two pipes (pipes.go); splitting the output into lines and numbering them,
// the log limit, and cutting lines into chunks (journal.go, split.go, limit.go,
// encode.go); the chunks that are not confirmed, in memory and then on disk (spool.go,
// chunk.go); sending them, in order and again if need be (inflight.go, ship.go). Each
// Journal locks itself; no lock is held across two of its methods.
//
// # Subjects
//
// Publishes execution.log.<worker_id>.<execution_id>. Reads
// execution.stored.<worker_id>, the answers of the worker manager, and
// execution.wanted, by which it requests all chunks that are not confirmed.
//
// # When things fail
//
// While NATS or the record is unavailable, chunks are kept in memory, then on disk; when
// both are full, the reader of the pipes waits, so the command waits too. If the disk fails,
// chunks are kept in memory only, and the command waits earlier. A chunk that the record
// refuses, or that cannot be read back, is sent again, and given up after three
// failures, so that the end of the execution can be recorded. If the worker is killed, the
// chunks that the record lacks are lost; the worker manager records the gap.
//
// # Not here
//
// How a command runs, and the end of an execution (worker); the format of a chunk
// (internal/logchunk); the record (services/workermanager).
package joblog
