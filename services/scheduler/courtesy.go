package scheduler

import (
	"sync"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/kv"
	"github.com/hodei-jobs/hodei/schemas"
)

// Several instances see the same free slots and, once they have swept the
// record, the same executions. The record and the worker let one of two win, but
// whatever loses has cost a request, and a slot that was just taken two commits.
// With two schedulers under load two attempts of five were in vain; with what
// follows one of six is, and a sixth more is done.

// courtesy is how much later than the instance that gave an execution to its
// worker the others take the slots for free in which it ran.
const courtesy = 80 * time.Millisecond

// precedence is how much older those executions are taken to be that this
// instance was asked for than those that it found in the record, which another
// one may have queued.
const precedence = 10 * time.Second

// ended takes in the slots of an execution that has ended.
func (s *Scheduler) ended(event schemas.Event) {
	e := event.Execution
	s.take(s.given.remove(e.ID), func() bool {
		return s.fleet.ended(*e.WorkerID, e.Status == hodei.Completed, event.Free, event.Word)
	})
}

// hear takes in a worker's word. If slots have come free, whoever gave them away
// has heard by an event.
func (s *Scheduler) hear(u kv.Update) {
	if !s.fleet.frees(u) {
		s.take(true, func() bool { return s.fleet.hear(u, time.Now()) })
		return
	}
	s.take(false, func() bool { return s.fleet.hearLate(u, time.Now()) })
}

// take takes in news, which tells whether slots may have come free, now or with
// courtesy.
func (s *Scheduler) take(now bool, news func() bool) {
	if !now {
		time.AfterFunc(courtesy, func() { s.take(true, news) })
		return
	}
	if news() {
		s.queue.wake()
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

// remove reports whether it was there.
func (g *given) remove(id hodei.ExecutionID) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	was := g.ids[id]
	delete(g.ids, id)
	return was
}
