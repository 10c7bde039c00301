package scheduler

import (
	"time"

	"github.com/hodei-jobs/hodei/services/scheduler/plan"
)

// room is what the scheduler knows of a worker's slots.
type room struct {
	free    int // by the worker's latest report
	offered int // by the scheduler, in offers that are not answered yet

	key   uint64    // the revision in the worker's key
	ahead time.Time // when a revision later than that last came another way
}

const (
	// mostAhead is how many revisions an answer or an event may be ahead of the
	// worker's key: more than a worker makes between two writes of it.
	mostAhead = 1 << 20
	// keyWins is for how long a later revision than the key's is believed. The
	// worker writes its key within milliseconds of each change, and every five
	// seconds; a revision that it does not confirm was not its own.
	keyWins = 2 * time.Second
)

// take takes in a report of the worker's free slots that is newer than the last. It did
// not come from the worker's key, and every NATS client can publish it: numbers that
// cannot be the worker's are ignored, and the key overrides the others once keyWins has
// passed.
func (r *room) take(w *plan.Worker, free int, revision uint64, now time.Time) {
	if free < 0 || free > w.Slots || revision > r.key+mostAhead || revision <= w.Revision {
		return
	}
	r.free, w.Revision, r.ahead = free, revision, now
}

// show has plan see the slots that may be offered, and reports whether there are
// more than before.
func (r *room) show(w *plan.Worker) bool {
	before := w.Free
	w.Free = max(0, r.free-r.offered)
	return w.Free > before
}
