package hodei

import "slices"

// PipelineStatus is CREATED until the pipeline has a job, then ACTIVE.
type PipelineStatus string

const (
	PipelineCreated PipelineStatus = "CREATED"
	PipelineActive  PipelineStatus = "ACTIVE"
)

// ExecutionStatus is the state of an execution, and of a job through its
// latest execution.
type ExecutionStatus string

const (
	Pending   ExecutionStatus = "PENDING"   // waits for a worker
	Running   ExecutionStatus = "RUNNING"   // assigned to a worker, which starts or runs it
	Completed ExecutionStatus = "COMPLETED" // exited with 0
	Failed    ExecutionStatus = "FAILED"    // ended otherwise; the reason says how
	Cancelled ExecutionStatus = "CANCELLED" // ended because somebody asked
	TimedOut  ExecutionStatus = "TIMED_OUT" // ended because it ran too long
)

// WorkerStatus is the state of a worker.
type WorkerStatus string

const (
	WorkerAvailable   WorkerStatus = "AVAILABLE"   // idle
	WorkerBusy        WorkerStatus = "BUSY"        // runs something; takes more while it has free slots
	WorkerDraining    WorkerStatus = "DRAINING"    // takes nothing new, finishes what it runs, then leaves
	WorkerTerminating WorkerStatus = "TERMINATING" // kills what it runs, then leaves
	WorkerOffline     WorkerStatus = "OFFLINE"     // its lease was lost
	WorkerTerminated  WorkerStatus = "TERMINATED"  // left
)

// Transitions maps each state to the states it may become. A state that maps
// to nothing is final. These tables are the only place where transitions are
// decided: the guards of every UPDATE, the CHECKs in Postgres and
// docs/states.md all follow from them.
type Transitions[S ~string] map[S][]S

var (
	PipelineTransitions = Transitions[PipelineStatus]{
		PipelineCreated: {PipelineActive},
		PipelineActive:  {},
	}
	// ExecutionTransitions lets a RUNNING execution go back to PENDING: its
	// worker refused it, or is known not to have started it.
	ExecutionTransitions = Transitions[ExecutionStatus]{
		Pending:   {Running, Failed, Cancelled},
		Running:   {Pending, Completed, Failed, Cancelled, TimedOut},
		Completed: {}, Failed: {}, Cancelled: {}, TimedOut: {},
	}
	WorkerTransitions = Transitions[WorkerStatus]{
		WorkerAvailable:   {WorkerBusy, WorkerDraining, WorkerTerminating, WorkerOffline, WorkerTerminated},
		WorkerBusy:        {WorkerAvailable, WorkerDraining, WorkerTerminating, WorkerOffline, WorkerTerminated},
		WorkerDraining:    {WorkerAvailable, WorkerBusy, WorkerTerminating, WorkerOffline, WorkerTerminated},
		WorkerTerminating: {WorkerOffline, WorkerTerminated},
		WorkerOffline:     {WorkerAvailable, WorkerBusy, WorkerDraining, WorkerTerminating, WorkerTerminated},
		WorkerTerminated:  {WorkerAvailable}, // the same worker, started again
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

// Allows reports whether from may become to.
func (t Transitions[S]) Allows(from, to S) bool { return slices.Contains(t[from], to) }

// From returns the states that may become to, in alphabetical order: the
// guard of the UPDATE that makes the transition.
func (t Transitions[S]) From(to S) []S {
	var from []S
	for _, s := range t.States() {
		if t.Allows(s, to) {
			from = append(from, s)
		}
	}
	return from
}

// Final reports whether nothing follows the state.
func (t Transitions[S]) Final(s S) bool { return len(t[s]) == 0 }

// Ended reports whether the execution has reached its final state.
func (s ExecutionStatus) Ended() bool { return ExecutionTransitions.Final(s) }
