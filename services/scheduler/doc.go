// Package scheduler owns the queue of pending executions and the choice of
// worker.
//
// # Owns
//
// One instance leads, under a lease (kv.Leader); the others stand by and answer
// nothing. The leader has in memory a view of the fleet (fleet.go) and a queue
// (queue.go). The view comes from one watch of the WORKERS bucket and is corrected by
// the slots that are being offered and by the revisions in answers and events. The
// choice itself is plan's, a pure function.
//
//	Place ────► executions.start (worker manager), or refused at once
//	created ──► queue ─► dispatcher ─► executions.assign (worker manager)
//	Schedule ──┘  ▲          ▲  └─ refused: back to the queue, next best
//	    sweep ────┘          └─ woken by: freed slot, new worker, new entry
//
// An execution enters the queue by its created event, by a request that waits for the
// outcome, or by the sweep of the record; the queue has one entry for it, whichever
// come.
//
// # Subjects
//
// Answers hodei.v1.scheduler.schedule, .place and .queue while it leads. Follows
// execution.event.*.* and the WORKERS bucket.
//
// # State
//
// Nothing that cannot be lost: the record has every PENDING execution. One that
// is placed is nowhere else before it is recorded as its worker's, and the request
// to place it is not answered before.
//
// # When things fail
//
// A leader that dies or is cut off is replaced within about a second; one that stops
// hands over at once. Requests that wait are answered UNAVAILABLE then; their executions
// are in the record, where the next leader finds them. A leader that was stopped decides
// nothing after its lease is no longer trusted: give looks before each decision. Should
// two lead all the same, the guarded UPDATE to RUNNING lets one start win, and the
// worker decides about its slots. While nothing can be assigned, because the
// worker managers or the record are away, the leader pauses, longer each time.
//
// A panic, in a loop or in a handler, leaves the fleet and the queue in doubt:
// both are forgotten and built anew, from the bucket and by the sweep.
//
// # Not here
//
// It writes no row and talks to no worker: assignment is the worker manager's.
package scheduler
