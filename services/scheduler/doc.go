// Package scheduler owns the queue of pending executions and the choice of
// worker.
//
// # Owns
//
// One instance leads, under a lease (kv.Leader); the others stand by and register no
// endpoints. The leader keeps in memory a view of the fleet (fleet.go) and a queue
// (queue.go). The view comes from one watch of the WORKERS bucket, minus the slots that
// are in offers, plus newer revisions in answers and events. Package plan, which is pure,
// chooses the worker.
//
//	Place ────► executions.start (worker manager), or refused at once
//	created ──► queue ─► dispatcher ─► executions.assign (worker manager)
//	Schedule ──┘  ▲          ▲  └─ refused: back to the queue, next best
//	    sweep ────┘          └─ woken by: freed slot, new worker, new entry
//
// An execution enters the queue by its created event, by a request that waits for the
// outcome, or by the sweep of the record. The queue has one entry for each execution.
//
// # Subjects
//
// The leader answers hodei.v1.scheduler.schedule, .place and .queue, follows
// execution.event.*.* and the WORKERS bucket, sends requests for executions.assign, .start
// and .stop, and publishes execution.full while the queue is full.
//
// # State
//
// All state can be rebuilt: the record has every PENDING execution. An execution that is
// being placed exists only in the request, which is answered after the commit.
//
// # When things fail
//
// If a leader dies or loses its connection, another instance leads within about a second; a
// leader that stops hands over at once. Requests that wait are answered UNAVAILABLE, and the
// next leader finds their executions in the record. A process that was suspended makes no
// decision, because give checks the lease before each one. If two instances lead
// nevertheless, the guarded UPDATE to RUNNING lets one start win, and the worker decides
// about its slots. While the worker managers or the record are unavailable, the leader backs
// off.
//
// A panic in a loop or a handler may leave the fleet and the queue inconsistent. Both are
// then cleared and rebuilt, from the bucket and by the sweep.
//
// # Not here
//
// It writes no row and sends nothing to workers: the worker manager assigns.
package scheduler
