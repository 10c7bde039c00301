// Package worker is the worker runtime: it accepts executions, runs their
// commands, streams their output, reports their end, and leaves.
//
// # Owns
//
// The worker's slots, about which only the worker decides (slots.go); when its
// commands are stopped (ending.go), while worker/exec runs them; the script that
// follows a command (after.go); the files that an execution receives and leaves
// (artifacts.go, caches.go); every line of output until the record has it
// (worker/joblog); its key in the WORKERS bucket (lease.go); and the reaper, a
// supervisor process that outlives the worker just long enough to kill its
// commands (worker/reaper). worker/mark finds the processes of an execution.
//
// # Subjects
//
// Handles execution.request.<worker_id>, execution.interrupt.<worker_id>,
// worker.command.<worker_id> (life.go) and worker.status.<worker_id>.
// worker/joblog publishes execution.log.<worker_id>.<execution_id> and reads
// execution.stored.<worker_id>. Sends requests on
// hodei.v1.workers.{register,leave}.<worker_id> and
// hodei.v1.executions.finish.<worker_id>, and those of transfers on
// hodei.v1.{artifacts,blobs,caches}.*.<worker_id>.
//
// # State
//
// A private directory, locked while the worker runs: worker-id, which survives
// restarts; tag, by which the next worker finds the processes of a killed one;
// work/, the directories of the executions; spool/, chunks that did not fit
// into memory; files/, artifacts and caches that are being packed. Everything except the id is emptied at the start.
//
// # When things fail
//
// During an outage of NATS or the services, executions continue. Log chunks are
// kept, first in memory, then on disk, until execution.stored acknowledges
// them; when both are full, the pipes slow the commands down. The end of an
// execution is reported until it is acknowledged as recorded. Only an execution
// that would be started elsewhere after the worker is declared lost is stopped
// before that (fence.go), by the reaper if the worker is paused. If the worker
// is killed, the reaper kills its commands and reports that. If the reaper is
// killed, the worker starts another one and sends it the whole list. A
// restarted worker registers as a new incarnation, so the manager knows that
// earlier executions have ended.
//
// # Not here
//
// No choice of executions, no retries, no access to the record.
package worker
