package scheduler

import (
	"bytes"
	"container/heap"
	"encoding/json"
	"sync"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
	"github.com/hodei-jobs/hodei/services/scheduler/plan"
)

// entry is one execution that needs a worker.
type entry struct {
	req       plan.Request
	priority  int
	notBefore *time.Time    // nil for an execution that was not delayed
	rank      int64         // see order
	asked     bool          // a request waits for the result
	done      chan struct{} // closed once result is set
	result    result
	index     int // place in its heap; -1 while it is being assigned
	class     *class
	// leaves has the entry leave with this result instead of being queued again.
	leaves *result
}

// question returns the request without the refusals.
func (e *entry) question() plan.Request {
	return plan.Request{ID: e.req.ID, Requirements: e.req.Requirements}
}

// since is when the execution began to wait for a worker: when it was made, or could start.
func (e *entry) since() time.Time {
	made := e.req.ID.Time()
	if e.notBefore != nil && e.notBefore.After(made) {
		return *e.notBefore
	}
	return made
}

// newEntry returns an entry that is not queued yet.
func newEntry(id hodei.ExecutionID, priority int, needs hodei.Requirements, notBefore *time.Time) *entry {
	return &entry{req: plan.Request{ID: id, Requirements: needs}, priority: priority, notBefore: notBefore, done: make(chan struct{})}
}

// settle sets the result unless there is one, and wakes the requests that wait for it. The
// caller holds the lock of the queue.
func (e *entry) settle(r result) {
	select {
	case <-e.done:
	default:
		e.result = r
		close(e.done)
	}
}

// result is how an entry left the queue.
type result struct {
	decision  schemas.Decision
	err       error
	withdrawn bool
}

// queue orders entries by rank. Entries with equal requirements form a class: if no worker
// can take its head, the rest is not tried.
type queue struct {
	order order
	woken rpc.Signal // the dispatcher must run a round

	mu      sync.Mutex
	classes map[string]*class
	entries map[hodei.ExecutionID]*entry // queued, or being assigned
	lines   [hodei.MaxPriority + 1]line  // queued, by priority
	queued  int
	closed  error // the error of push; nil while the queue is open
}

type class struct {
	key     string
	entries entryHeap
}

func newQueue(o order) *queue {
	return &queue{order: o, classes: map[string]*class{}, entries: map[hodei.ExecutionID]*entry{}, woken: rpc.NewSignal()}
}

// open opens the queue, which is empty, until close.
func (q *queue) open() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = nil
}

// close empties the queue. Waiting and later requests fail with why.
func (q *queue) close(why error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, e := range q.entries {
		e.settle(result{err: why})
	}
	q.classes, q.entries = map[string]*class{}, map[hodei.ExecutionID]*entry{}
	q.lines, q.queued, q.closed = [hodei.MaxPriority + 1]line{}, 0, why
}

// wake starts another round of the dispatcher. Several wakes start one.
func (q *queue) wake() { q.woken.Set() }

// push queues an entry and returns it, or the existing entry of the execution, which is
// queued or being assigned. It returns VALIDATION_ERROR for a priority out of range.
func (q *queue) push(e *entry) (*entry, error) {
	if e.priority < 0 || e.priority > hodei.MaxPriority {
		return nil, hodei.InvalidField("priority", "0 to 10 required")
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed != nil {
		return nil, q.closed
	}
	if first, here := q.entries[e.req.ID]; here {
		first.asked = first.asked || e.asked
		return first, nil
	}
	e.rank = q.order.rank(e.since(), e.priority)
	q.entries[e.req.ID] = e
	q.insert(e)
	q.wake()
	return e, nil
}

func (q *queue) insert(e *entry) {
	key, _ := json.Marshal(e.req.Requirements) // maps encode in order of their keys
	c := q.classes[string(key)]
	if c == nil {
		c = &class{key: string(key)}
		q.classes[c.key] = c
	}
	e.class = c
	heap.Push(&c.entries, e)
	q.lines[e.priority].add(e)
	q.queued++
}

// pop returns the first entry outside the classes to skip, or nil. The entry counts as being
// assigned until restore or finish.
func (q *queue) pop(skip map[string]bool) *entry {
	q.mu.Lock()
	defer q.mu.Unlock()
	var first *entry
	for _, c := range q.classes {
		if !skip[c.key] && (first == nil || less(c.entries[0], first)) {
			first = c.entries[0]
		}
	}
	if first != nil {
		q.take(first)
	}
	return first
}

func (q *queue) take(e *entry) {
	heap.Remove(&e.class.entries, e.index)
	q.lines[e.priority].remove(e)
	q.queued--
	if len(e.class.entries) == 0 {
		delete(q.classes, e.class.key)
	}
}

// restore queues an entry again that pop returned, unless the queue was closed or the entry
// withdrawn.
func (q *queue) restore(e *entry) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.entries[e.req.ID] != e:
	case e.leaves != nil:
		delete(q.entries, e.req.ID)
		e.settle(*e.leaves)
	default:
		q.insert(e)
	}
}

// finish removes an entry and sets its result.
func (q *queue) finish(e *entry, r result) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.entries[e.req.ID] == e {
		delete(q.entries, e.req.ID)
	}
	e.settle(r)
}

// withdraw removes an execution, with this result. It returns false for one that is being
// assigned, which leaves if its assignment fails: its result decides.
func (q *queue) withdraw(id hodei.ExecutionID, r result) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	e, here := q.entries[id]
	if !here {
		return true
	}
	if e.index < 0 {
		e.leaves = &r
		return false
	}
	q.take(e)
	delete(q.entries, id)
	e.settle(r)
	return true
}

// waited reports whether a request waits for the entry's result.
func (q *queue) waited(e *entry) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return e.asked
}

// settle removes an execution that was started or ended elsewhere and sets its result,
// unless this instance is assigning it.
func (q *queue) settle(id hodei.ExecutionID, r result) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if e, here := q.entries[id]; here && e.index >= 0 {
		q.take(e)
		delete(q.entries, id)
		e.settle(r)
	}
}

// position is the place of an execution among those that are queued here,
// counted from 1.
func (q *queue) position(e *entry) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.order.position(&q.lines, e)
}

func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.entries)
}

// size is how many entries are queued and how many are being assigned.
func (q *queue) size() (queued, assigning int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.queued, len(q.entries) - q.queued
}

// less reports whether a is to be tried before b.
func less(a, b *entry) bool {
	if a.rank != b.rank {
		return a.rank < b.rank
	}
	return bytes.Compare(a.req.ID[:], b.req.ID[:]) < 0
}

type entryHeap []*entry

func (h entryHeap) Len() int           { return len(h) }
func (h entryHeap) Less(i, j int) bool { return less(h[i], h[j]) }
func (h entryHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *entryHeap) Push(x any) {
	e := x.(*entry)
	e.index = len(*h)
	*h = append(*h, e)
}

func (h *entryHeap) Pop() any {
	old := *h
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	e.index = -1
	return e
}
