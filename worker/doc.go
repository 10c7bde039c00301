// Package worker is the worker runtime: it accepts executions, runs their
// commands, streams what they print, reports how they ended, and leaves.
//
// # Owns
//
// The worker's slots, about which it alone decides (slots.go); the processes
// that it starts, each in a group of its own (process.go); every line they
// print until the record has it (worker/joblog); its key in the WORKERS
// bucket (lease.go); and the reaper, a process beside it that outlives it just
// long enough to leave nothing running (reaper.go).
//
// # Subjects
//
// Answers execution.request.<worker_id>, execution.interrupt.<worker_id> and
// worker.command.<worker_id> (life.go), worker.status.<worker_id>.
// worker/joblog publishes execution.log.<worker_id>.<execution_id> and reads
// execution.stored.<worker_id>. Sends requests to
// hodei.v1.workers.{register,leave}.<worker_id> and hodei.v1.executions.finish.<worker_id>.
//
// # State
//
// A private directory, locked while the worker runs: worker-id, which it keeps
// between starts; tag, by which the next worker finds the processes of one that
// was killed; work/, the directories of each run; spool/, what did not fit into
// memory. All but the id is emptied at the start.
//
// # When things fail
//
// NATS or the services away: runs go on. Log chunks are kept, first in memory,
// then on disk, until execution.stored says that Postgres has them; when both
// are full the commands are slowed through their pipes. The end of a run is
// reported until the answer says that it is recorded. Only a run that would be
// started again elsewhere, were the worker declared lost, is ended before that
// can be (fence.go), by the reaper if the worker is paused. The worker killed: the
// reaper kills what it ran and reports that. The reaper killed: another is
// started and told everything again. The worker started again: it registers as
// a new incarnation, by which the manager knows that earlier runs are gone.
//
// # Not here
//
// No choice of what to run, no retries, no look at the record.
package worker
