package hodei

import "slices"

// PipelineStatus is CREATED until the pipeline has a job, then ACTIVE.
type PipelineStatus string

const (
	PipelineCreated PipelineStatus = "CREATED"
	PipelineActive  PipelineStatus = "ACTIVE"
)

// ExecutionStatus is the state of an execution, and of a job through its latest
// execution.
type ExecutionStatus string

const (
	Pending   ExecutionStatus = "PENDING"   // waits for a worker
	Running   ExecutionStatus = "RUNNING"   // assigned to a worker, which starts or runs it
	Completed ExecutionStatus = "COMPLETED" // exited with 0
	Failed    ExecutionStatus = "FAILED"    // ended otherwise; see the reason
	Cancelled ExecutionStatus = "CANCELLED" // ended by request
	TimedOut  ExecutionStatus = "TIMED_OUT" // exceeded its timeout
)

// RunStatus is the state of a run.
type RunStatus string

const (
	RunPending   RunStatus = "PENDING"   // waits for other runs with its concurrency key
	RunRunning   RunStatus = "RUNNING"   // its jobs run, or wait for each other
	RunCompleted RunStatus = "COMPLETED" // every job completed, was skipped, or was allowed to fail
	RunFailed    RunStatus = "FAILED"    // a job did not complete that was not allowed to fail
	RunCancelled RunStatus = "CANCELLED" // cancelled before its jobs had ended
	RunTimedOut  RunStatus = "TIMED_OUT" // ran longer than its timeout
)

// RunJobStatus is the state of a job in a run.
type RunJobStatus string

const (
	JobWaiting   RunJobStatus = "WAITING"   // for the jobs that it needs, or for another leg of its matrix
	JobBlocked   RunJobStatus = "BLOCKED"   // for an approval
	JobPending   RunJobStatus = "PENDING"   // its execution waits for a worker, or is to be repeated
	JobRunning   RunJobStatus = "RUNNING"   // its execution runs
	JobCompleted RunJobStatus = "COMPLETED" // its last execution completed
	JobFailed    RunJobStatus = "FAILED"    // its last execution failed, or it could not be started
	JobCancelled RunJobStatus = "CANCELLED" // it was cancelled, before its start or while it ran
	JobTimedOut  RunJobStatus = "TIMED_OUT" // its last execution ran too long
	JobSkipped   RunJobStatus = "SKIPPED"   // never started; the reason is CONDITION, NEEDS or NO_COMMAND
)

// WorkerStatus is the state of a worker.
type WorkerStatus string

const (
	WorkerAvailable   WorkerStatus = "AVAILABLE"   // idle
	WorkerBusy        WorkerStatus = "BUSY"        // runs executions; accepts more while it has free slots
	WorkerDraining    WorkerStatus = "DRAINING"    // accepts nothing new, finishes its executions, then leaves
	WorkerTerminating WorkerStatus = "TERMINATING" // kills its executions, then leaves
	WorkerOffline     WorkerStatus = "OFFLINE"     // its lease expired
	WorkerTerminated  WorkerStatus = "TERMINATED"  // left
)

// Transitions maps each state to the states that may follow. A state without
// entries is final. Every transition follows these tables: the guards of the
// UPDATEs, the CHECKs in Postgres and docs/states.md.
type Transitions[S ~string] map[S][]S

var (
	PipelineTransitions = Transitions[PipelineStatus]{
		PipelineCreated: {PipelineActive},
		PipelineActive:  {},
	}
	// ExecutionTransitions lets a RUNNING execution return to PENDING: its
	// worker refused it, or is known not to have started it.
	ExecutionTransitions = Transitions[ExecutionStatus]{
		Pending:   {Running, Failed, Cancelled},
		Running:   {Pending, Completed, Failed, Cancelled, TimedOut},
		Completed: {}, Failed: {}, Cancelled: {}, TimedOut: {},
	}
	RunTransitions = Transitions[RunStatus]{
		RunPending:   {RunRunning, RunCancelled},
		RunRunning:   {RunCompleted, RunFailed, RunCancelled, RunTimedOut},
		RunCompleted: {}, RunFailed: {}, RunCancelled: {}, RunTimedOut: {},
	}
	// RunJobTransitions lets a PENDING job end without being RUNNING, because a
	// run processes only the ends of its executions. A job without a command
	// completes when it is approved.
	RunJobTransitions = Transitions[RunJobStatus]{
		JobWaiting:   {JobBlocked, JobPending, JobRunning, JobFailed, JobCancelled, JobSkipped},
		JobBlocked:   {JobPending, JobRunning, JobCompleted, JobFailed, JobCancelled},
		JobPending:   {JobRunning, JobCompleted, JobFailed, JobCancelled, JobTimedOut},
		JobRunning:   {JobPending, JobCompleted, JobFailed, JobCancelled, JobTimedOut},
		JobCompleted: {}, JobFailed: {}, JobCancelled: {}, JobTimedOut: {}, JobSkipped: {},
	}
	WorkerTransitions = Transitions[WorkerStatus]{
		WorkerAvailable:   {WorkerBusy, WorkerDraining, WorkerTerminating, WorkerOffline, WorkerTerminated},
		WorkerBusy:        {WorkerAvailable, WorkerDraining, WorkerTerminating, WorkerOffline, WorkerTerminated},
		WorkerDraining:    {WorkerAvailable, WorkerBusy, WorkerTerminating, WorkerOffline, WorkerTerminated},
		WorkerTerminating: {WorkerOffline, WorkerTerminated},
		WorkerOffline:     {WorkerAvailable, WorkerBusy, WorkerDraining, WorkerTerminating, WorkerTerminated},
		WorkerTerminated:  {WorkerAvailable}, // the same worker, restarted
	}
)

// States returns every state of the table in alphabetical order.
func (t Transitions[S]) States() []S {
	states := make([]S, 0, len(t))
	for s := range t {
		states = append(states, s)
	}
	slices.Sort(states)
	return states
}

// Allows reports whether to may follow from.
func (t Transitions[S]) Allows(from, to S) bool { return slices.Contains(t[from], to) }

// From returns the states that to may follow, in alphabetical order: the guard
// of the UPDATE.
func (t Transitions[S]) From(to S) []S {
	var from []S
	for _, s := range t.States() {
		if t.Allows(s, to) {
			from = append(from, s)
		}
	}
	return from
}

// Final reports whether the state is final.
func (t Transitions[S]) Final(s S) bool { return len(t[s]) == 0 }

// Ended reports whether the execution has reached its final state.
func (s ExecutionStatus) Ended() bool { return ExecutionTransitions.Final(s) }

// Ended reports whether the run has reached its final state.
func (s RunStatus) Ended() bool { return RunTransitions.Final(s) }

// Ended reports whether the job has reached its final state.
func (s RunJobStatus) Ended() bool { return RunJobTransitions.Final(s) }
