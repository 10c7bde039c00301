// Package orchestrator owns pipelines, jobs and the creation of executions.
//
// # Owns
//
// The rows of pipelines and jobs, and the insertion of executions. What
// happens to an execution afterwards is the scheduler's and the worker
// manager's.
//
// # Subjects
//
// Answers hodei.v1.execute, hodei.v1.pipelines.*, hodei.v1.jobs.*, hodei.v1.executions.create,
// .get, .list, .cancel and .retry. Publishes execution.event.<type>.<id> when one is
// created. A message on execution.retry announces that a retry is due, see package due.
//
// # State
//
// None of its own: any instance answers any request.
//
// # When things fail
//
// An execution whose caller waits for its start is placed: the scheduler is
// asked first, and the worker manager commits it with its assignment. When that
// fails, or its outcome is not known, it is committed here under the same
// id, or found, and the scheduler is asked to queue it. Should none answer, it
// stays PENDING, the answer is 202, and the next scheduler that leads takes it
// from the record. An execution whose caller does not wait is committed, and the
// scheduler takes it in from its created event; while its queue is full, such an
// execution is refused before it is committed. A retry that is owed stands in the
// record, beside the execution that failed, and is created in the statement that
// deletes it there: an instance that dies leaves it to the others, and none is made
// twice. A run whose step fails, although the database is available, is logged and put off for
// a minute, so other runs go on. The executions of a run are announced once they are committed, before the disk
// has the commit, and events of the run after that.
//
// # Not here
//
// No choice of worker, no log, no end of an execution: cancelling asks the
// worker manager.
package orchestrator
