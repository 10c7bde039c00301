package scheduler

import (
	"sync"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/kv"
	"github.com/hodei-jobs/hodei/services/scheduler/plan"
)

// fleet is this instance's view of the workers. Of each it keeps the latest
// word and the slots it has offered there without having heard back.
type fleet struct {
	mu      sync.Mutex
	weights plan.Weights
	// workers is what plan looks at, kept in place so that choosing copies
	// nothing; index finds a worker in it.
	workers []plan.Worker
	index   map[hodei.WorkerID]int
	offered map[hodei.WorkerID]int
	kept    []hodei.WorkerID       // those whose slots are kept for somebody
	word    map[hodei.WorkerID]int // free slots by the worker's own word
}

func newFleet(w plan.Weights) *fleet {
	return &fleet{weights: w, index: map[hodei.WorkerID]int{}, offered: map[hodei.WorkerID]int{}, word: map[hodei.WorkerID]int{}}
}

// lease allows a worker's key to arrive a little late.
const lease = kv.Lease + kv.Renew

// hear takes in a change of the bucket and reports whether slots may have come
// free.
func (f *fleet) hear(u kv.Update, now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.take(u, now)
}

// hearLate is hear for what a worker said a while ago: one that has left since,
// or was started again, has taken it back.
func (f *fleet) hearLate(u kv.Update, now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.knows(u) && f.take(u, now)
}

// frees reports whether a known worker says that slots have come free.
func (f *fleet) frees(u kv.Update) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.knows(u) && u.Availability.Free > f.word[u.WorkerID]
}

// knows reports whether it is a word of a worker that is here. The lock is held.
func (f *fleet) knows(u kv.Update) bool {
	at, known := f.index[u.WorkerID]
	return known && u.Availability != nil && u.Availability.Incarnation == f.workers[at].Incarnation
}

// take takes in a change of the bucket. The lock is held.
func (f *fleet) take(u kv.Update, now time.Time) bool {
	at, known := f.index[u.WorkerID]
	if u.Availability == nil {
		if known {
			f.remove(at)
		}
		return false
	}
	word := *u.Availability
	word.At = now // the scheduler's own clock decides how old a word is
	if !known {
		latency, success := f.usual()
		f.index[u.WorkerID] = len(f.workers)
		f.workers = append(f.workers, plan.Worker{Availability: word, AckLatency: latency, Success: success})
		f.word[u.WorkerID] = word.Free
		return true
	}
	w := &f.workers[at]
	if w.Incarnation == word.Incarnation && word.Word < w.Word {
		w.At = now
		return false
	}
	before := w.Free
	w.Availability, w.Free = word, before
	return f.set(w, word.Free)
}

// usual is the mean history of the fleet: what a worker without one is taken to
// be like, so that it is neither shunned nor flooded.
func (f *fleet) usual() (latency time.Duration, success float64) {
	if len(f.workers) == 0 {
		return 0, 1
	}
	for i := range f.workers {
		latency += f.workers[i].AckLatency
		success += f.workers[i].Success
	}
	return latency / time.Duration(len(f.workers)), success / float64(len(f.workers))
}

// remove forgets a worker; the last one takes its place.
func (f *fleet) remove(at int) {
	gone, last := f.workers[at].WorkerID, len(f.workers)-1
	f.workers[at] = f.workers[last]
	f.index[f.workers[at].WorkerID] = at
	f.workers[last] = plan.Worker{}
	f.workers = f.workers[:last]
	delete(f.index, gone)
	delete(f.word, gone)
}

// set records free slots by the worker's own word and reports whether there
// are more than before.
func (f *fleet) set(w *plan.Worker, free int) bool {
	before := w.Free
	f.word[w.WorkerID] = free
	w.Free = max(0, free-f.offered[w.WorkerID])
	return w.Free > before || w.Status == hodei.WorkerAvailable
}

// choose picks a worker and holds its slots until settle.
func (f *fleet) choose(req plan.Request, now time.Time) plan.Decision {
	f.mu.Lock()
	defer f.mu.Unlock()
	d := plan.Choose(f.workers, req, f.weights, lease, now)
	if d.Worker != nil {
		chosen := *d.Worker // callers must not see it change
		slots := req.Requirements.Slots()
		f.offered[chosen.WorkerID] += slots
		d.Worker.Free -= slots
		d.Worker = &chosen
	}
	return d
}

// keep has a worker's slots kept as they come free, for a request that found
// none with enough of them. It reports whether there is such a worker.
func (f *fleet) keep(req plan.Request, now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	w := plan.Reserve(f.workers, req, lease, now)
	if w != nil {
		w.KeptFor = req.ID
		f.kept = append(f.kept, w.WorkerID)
	}
	return w != nil
}

// unkeep lets go of every worker whose slots are kept.
func (f *fleet) unkeep() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, id := range f.kept {
		if at, known := f.index[id]; known {
			f.workers[at].KeptFor = hodei.ExecutionID{}
		}
	}
	f.kept = f.kept[:0]
}

// settle ends what choose began. An accepted offer comes with the worker's
// newer word on its slots.
func (f *fleet) settle(id hodei.WorkerID, slots int, accepted bool, free int, word uint64, took time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.offered[id] -= slots; f.offered[id] <= 0 {
		delete(f.offered, id)
	}
	at, known := f.index[id]
	if !known {
		return
	}
	w := &f.workers[at]
	if accepted {
		w.AckLatency = smooth(w.AckLatency, took)
		f.said(w, &free, word)
	}
	f.set(w, f.word[id])
}

// refused notes that a worker has less room than was asked for, until it says
// otherwise: who refuses one execution need not be asked with the next.
func (f *fleet) refused(id hodei.WorkerID, slots int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if at, known := f.index[id]; known {
		f.set(&f.workers[at], min(f.word[id], slots-1))
	}
}

// ended takes in the end of an execution: its outcome, and where the worker
// said so its free slots. It reports whether slots came free.
func (f *fleet) ended(id hodei.WorkerID, completed bool, free *int, word uint64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	at, known := f.index[id]
	if !known {
		return false
	}
	w := &f.workers[at]
	outcome := 0.0
	if completed {
		outcome = 1
	}
	w.Success += (outcome - w.Success) / 20
	return f.said(w, free, word)
}

// taken takes in the worker's word on its slots as it began an execution,
// which another instance may have given to it.
func (f *fleet) taken(id hodei.WorkerID, free *int, word uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if at, known := f.index[id]; known {
		f.said(&f.workers[at], free, word)
	}
}

// said takes in a worker's word on its slots, where there is one and it is newer
// than the last, and reports whether slots may have come free. The lock is held.
func (f *fleet) said(w *plan.Worker, free *int, word uint64) bool {
	if free == nil || word <= w.Word {
		return false
	}
	w.Word = word
	return f.set(w, *free)
}

// smooth is an exponentially weighted mean over about ten values.
func smooth(mean, value time.Duration) time.Duration {
	if mean == 0 {
		return value
	}
	return mean + (value-mean)/10
}

// explain returns what plan thinks of every worker, best first.
func (f *fleet) explain(req plan.Request, now time.Time) ([]plan.Verdict, plan.Decision) {
	f.mu.Lock()
	workers := append([]plan.Worker(nil), f.workers...)
	f.mu.Unlock()
	return plan.Explain(workers, req, f.weights, lease, now), plan.Choose(workers, req, f.weights, lease, now)
}

// reason says why the request waits.
func (f *fleet) reason(req plan.Request, now time.Time) plan.Decision {
	f.mu.Lock()
	defer f.mu.Unlock()
	d := plan.Choose(f.workers, req, f.weights, lease, now)
	if d.Worker != nil {
		return plan.Decision{Reason: "about to be assigned"}
	}
	return d
}

// size is how many workers there are and how many free slots they have.
func (f *fleet) size() (workers, free int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.workers {
		free += f.workers[i].Free
	}
	return len(f.workers), free
}
