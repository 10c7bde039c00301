package scheduler

import (
	"time"

	"github.com/hodei-jobs/hodei/services/scheduler/plan"
)

// room is the account of a worker's free slots.
type room struct {
	free    int // by the worker's latest report
	offered int // by the scheduler, in offers that are not answered yet

	key   uint64    // the revision in the worker's key
	ahead time.Time // when an answer or an event last had a later revision than the key
}

const (
	// mostAhead limits how far the revision of an answer or an event may be ahead of the
	// worker's key. It exceeds the revisions between two writes of the key.
	mostAhead = 1 << 20
	// keyWins is how long a later revision than the key's is valid. A worker writes its
	// key within milliseconds of each change, so a revision that the key does not confirm
	// was not sent by the worker.
	keyWins = 2 * time.Second
)

// take applies a newer report of free slots that did not come from the worker's key. Any
// NATS client may have published it, so take ignores impossible numbers, and the key
// overrides the others after keyWins.
func (r *room) take(w *plan.Worker, free int, revision uint64, now time.Time) {
	if free < 0 || free > w.Slots || revision > r.key+mostAhead || revision <= w.Revision {
		return
	}
	r.free, w.Revision, r.ahead = free, revision, now
}

// show sets the slots that plan may offer, and reports whether they have increased.
func (r *room) show(w *plan.Worker) bool {
	before := w.Free
	w.Free = max(0, r.free-r.offered)
	return w.Free > before
}
