// Package workermanager owns worker records, the assignment of executions,
// their end, and the log record.
//
// # Owns
//
// The rows of workers, secrets and execution_logs, every change of an execution
// after its creation, and the creation of an execution together with its
// assignment. It sends notifications, because only it has the keys of secrets.
// Once an hour it deletes what is older than its retention: logs, executions,
// workers that left, idempotency keys.
//
// # Subjects
//
// Handles hodei.v1.workers.* except .keys, .approve and .revoke,
// hodei.v1.executions.assign, .start, .stop, .finish and .delete,
// hodei.v1.logs.get and .read, hodei.v1.secrets.* and
// hodei.v1.notifications.*. Sends requests on
// execution.request.<worker_id>, execution.interrupt.<worker_id> and
// worker.command.<worker_id>. Receives
// execution.log.<worker_id>.<execution_id>, shared with the other instances,
// requests missed chunks on execution.wanted, and acknowledges committed chunks
// on execution.stored.<worker_id>. Publishes execution.event.<type>.<id>, and
// announces rows that are due on execution.retry, run.due and notification.due.
// Watches the WORKERS bucket.
//
// # State
//
// In memory: the latest report of each worker and when it was received.
// Everything else is in the record, so any instance can handle any request.
//
// # When things fail
//
// An assignment commits RUNNING before the offer is sent, whether or not the
// execution existed before. If the worker refuses or is not connected, the
// execution returns to the queue. If it does not answer, the execution stays
// RUNNING until the worker's report resolves it: the reconciler compares the
// record with the executions in each worker's report. A worker without a report
// for 45 s is lost; the time counts only while this instance could have
// received one. The worker becomes OFFLINE and its executions FAILED with
// WORKER_LOST. If it returns, it is AVAILABLE again and is sent an interrupt
// for executions that have ended in between. The record takes a worker's status
// from its report or from its answer to a command, with the revision of the
// report; a lower revision does not replace it. Only a worker that is not
// connected becomes TERMINATED without its own decision. Log chunks are
// committed before they are acknowledged; repeating any step changes nothing.
//
// # Not here
//
// The choice of a worker, which is the scheduler's.
package workermanager
