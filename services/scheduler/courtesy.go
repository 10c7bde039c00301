package scheduler

import (
	"sync"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/kv"
	"github.com/hodei-jobs/hodei/schemas"
	"github.com/hodei-jobs/hodei/services/scheduler/plan"
)

// Several instances see the same free slots and, once they have swept the
// record, the same executions. The record and the worker let one of two win, but
// whatever loses has cost a request, and a slot that was just taken two commits.
// With two schedulers under load two attempts of five were in vain; with what
// follows one of ten is.

// courtesy is how much later than the instance that gave an execution to its
// worker the others take the slots for free in which it ran. A worker tells of a
// free slot with every answer, often before the end that freed it is recorded.
const (
	courtesy     = 80 * time.Millisecond // or three times what an assignment takes, which is longer under load
	courtesyMost = time.Second
)

// precedence is how much older those executions are taken to be that this
// instance was asked for than those that it found in the record, which another
// one may have queued.
const precedence = 10 * time.Second

// pace is how long an assignment takes, on average.
type pace struct {
	mu   sync.Mutex
	mean time.Duration
}

func (p *pace) took(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mean = smooth(p.mean, d)
}

// courtesy is for how long slots are left to others: they must be heard of giving
// them away.
func (p *pace) courtesy() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return min(max(courtesy, 3*p.mean), courtesyMost)
}

// room is what this instance knows of a worker's slots.
type room struct {
	free    int  // by the worker's latest report
	left    int  // of them, left to others for a moment
	offered int  // offered by this instance, and not heard of yet
	doubted bool // the worker refused an offer for which it had room

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

// hear is take for what did not come from the worker's key, which every NATS
// client can publish: numbers that cannot be the worker's are ignored, and the
// key overrides the others once keyWins has passed.
func (r *room) hear(w *plan.Worker, free int, revision uint64, mine int, now time.Time) (left int) {
	if free < 0 || free > w.Slots || revision > r.key+mostAhead {
		return 0
	}
	if revision > w.Revision {
		r.ahead = now
	}
	return r.take(w, free, revision, mine)
}

// take takes in the worker's report of its free slots if it is newer than the last.
// Of them the instance has those that it had, and mine more, which its own
// execution freed, or fewer, which one took; further ones somebody else gave away,
// and they are left to that for now. It returns how many more those are.
func (r *room) take(w *plan.Worker, free int, revision uint64, mine int) (left int) {
	has, before := r.free-r.left, r.left
	switch {
	case revision > w.Revision:
		r.free, w.Revision = free, revision
	case mine < 0:
		return 0 // the newer report includes that
	}
	r.left = r.free - min(r.free, max(0, has+mine))
	return max(0, r.left-before)
}

// show has plan see the slots that may be offered, and reports whether there are
// more than before.
func (r *room) show(w *plan.Worker) bool {
	before := w.Free
	w.Free = max(0, r.free-r.left-r.offered)
	return w.Free > before
}

// began takes in what a worker said as an execution began there.
func (s *Scheduler) began(event schemas.Event) {
	e, mine := event.Execution, 0
	if s.given.has(e.ID) {
		mine = -e.Requirements.Slots()
	}
	more, left := s.fleet.said(*e.WorkerID, event.Free, event.Revision, mine)
	s.take(*e.WorkerID, more, left)
}

// ended takes in what a worker said as an execution ended there.
func (s *Scheduler) ended(event schemas.Event) {
	e, mine := event.Execution, 0
	if s.given.remove(e.ID) {
		mine = e.Requirements.Slots()
	}
	s.fleet.ended(*e.WorkerID, e.Reason == nil || !e.Reason.OfWorker())
	more, left := s.fleet.said(*e.WorkerID, event.Free, event.Revision, mine)
	s.take(*e.WorkerID, more, left)
}

// hear takes in a change of the bucket.
func (s *Scheduler) hear(u kv.Update) {
	more, left := s.fleet.hear(u, time.Now())
	s.take(u.WorkerID, more, left)
}

// take acts on news of a worker: there may be work for it, and slots of it are left
// to others.
func (s *Scheduler) take(id hodei.WorkerID, more bool, left int) {
	if more {
		s.queue.wake()
	}
	s.leave(id, left)
}

// leave leaves slots to others for a moment.
func (s *Scheduler) leave(id hodei.WorkerID, slots int) {
	if slots > 0 {
		s.after(s.pace.courtesy(), func() { s.take(id, s.fleet.release(id, slots), 0) })
	}
}

// given are the executions that this instance has given to workers, until they
// end. Those it forgets are treated with courtesy, no worse.
type given struct {
	mu  sync.Mutex
	ids map[hodei.ExecutionID]bool
}

// givenMost bounds them, should the events of many ends be lost.
const givenMost = 100_000

func (g *given) add(id hodei.ExecutionID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.ids) >= givenMost {
		clear(g.ids)
	}
	g.ids[id] = true
}

func (g *given) has(id hodei.ExecutionID) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.ids[id]
}

// remove reports whether it was there.
func (g *given) remove(id hodei.ExecutionID) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	was := g.ids[id]
	delete(g.ids, id)
	return was
}
