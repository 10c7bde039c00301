// Package scheduler owns the queue of pending executions and the choice of
// worker.
//
// # Owns
//
// In memory: a view of the fleet (fleet.go) and a queue (queue.go). The view
// comes from one watch of the WORKERS bucket and is corrected by what this
// instance has just assigned and by what acceptances and ends say. The choice
// itself is plan's, a pure function.
//
//	Place ────► executions.start (worker manager), or refused at once
//	Schedule ─► queue ─► dispatcher ─► workers.assign (worker manager)
//	              ▲          ▲  └─ refused: back to the queue, next best
//	    sweep ────┘          └─ woken by: freed slot, new worker, new entry
//
// # Subjects
//
// Answers hodei.v1.scheduler.schedule, .place and .queue. Follows execution.event.*.*
// and the WORKERS bucket.
//
// # State
//
// Nothing that cannot be lost: the record has every PENDING execution. One that
// is placed is nowhere else before it is recorded as its worker's, and whoever
// has it placed is not answered before.
//
// # When things fail
//
// Two instances may want to assign the same execution or the same slot: the
// guarded UPDATE to RUNNING lets one win, and the worker decides about
// its slots. What an instance takes to its grave the sweep of another, or of
// the next, adopts within seconds. While nothing can be assigned, because the
// worker managers or the record are away, it pauses, longer each time.
//
// A panic, in a loop or in a handler, leaves the fleet and the queue in doubt:
// both are forgotten and built anew, from the bucket and by the sweep. Requests
// that wait are answered UNAVAILABLE; their executions are in the record.
//
// # Not here
//
// It writes no row and talks to no worker: assignment is the worker manager's.
package scheduler
