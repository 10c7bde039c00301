// Package workermanager owns worker records, the assignment of executions,
// their end, and the log record.
//
// # Owns
//
// The rows of workers and execution_logs, every change of an execution after its
// creation, and the insertion of one that is created with its assignment. Once an
// hour it deletes what is older than its retention: logs, executions, workers
// that left, idempotency keys.
//
// # Subjects
//
// Answers hodei.v1.workers.*, hodei.v1.executions.start, .stop and
// .finish and .delete, and hodei.v1.logs.get. Asks execution.request.<worker_id>,
// execution.interrupt.<worker_id> and worker.command.<worker_id>. Reads
// execution.log.<worker_id>.<execution_id>, shared with the other instances, requests what
// it missed on execution.wanted, and confirms committed chunks on
// execution.stored.<worker_id>. Publishes
// execution.event.<type>.<id>. Follows the WORKERS bucket.
//
// # State
//
// In memory, of each worker: its latest report and when it was heard. All else
// is in the record; any instance answers any request.
//
// # When things fail
//
// Assignment commits RUNNING before the worker is asked, of what is recorded
// already and of what is recorded by it. A worker that refuses
// or is not there gives the execution back to the queue. One that does not
// answer leaves it RUNNING until its own report settles it: the reconciler
// compares what the record gives each worker with what that worker says it
// holds. A worker not heard for 45 s, counted only while this instance could
// have heard it, is lost: OFFLINE, and what it ran FAILED with WORKER_LOST. One
// that comes back is AVAILABLE again and told to stop what has ended meanwhile.
// A worker's state is recorded as that worker gives it, in its report or in its
// answer to a command, with the revision of the report; a report with a lower revision
// does not replace it. Only one that is not there is TERMINATED unasked.
// Log chunks are committed before they are acknowledged and before the worker
// is told; repeating any of it changes nothing.
//
// # Not here
//
// No choice of worker: that is the scheduler's.
package workermanager
