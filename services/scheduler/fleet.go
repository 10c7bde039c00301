package scheduler

import (
	"sync"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/kv"
	"github.com/hodei-jobs/hodei/services/scheduler/plan"
)

// fleet is this instance's view of the workers.
type fleet struct {
	mu      sync.Mutex
	weights plan.Weights
	workers *plan.Index
	// latency and success are those of the whole fleet: what a worker without a
	// history is taken to be like, so that it is neither shunned nor flooded.
	latency time.Duration
	success float64
	runs    time.Duration            // how long an execution holds its slots, on average
	rooms   map[hodei.WorkerID]*room // of the workers, and of those that left with offers unanswered
	kept    []hodei.WorkerID         // those whose slots are kept for somebody
}

func newFleet(w plan.Weights) *fleet {
	f := &fleet{weights: w}
	f.clear()
	return f
}

// clear forgets every worker.
func (f *fleet) clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.workers, f.kept, f.rooms = plan.NewIndex(f.weights), nil, map[hodei.WorkerID]*room{}
	f.latency, f.success, f.runs = 0, 1, 0
}

// lease allows a worker's key to arrive a little late.
const lease = kv.Lease + kv.Renew

// watched takes in a change of the bucket, and reports whether there may be work for the
// worker now.
func (f *fleet) watched(u kv.Update, now time.Time) (more bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if u.Availability == nil {
		f.remove(u.WorkerID)
		return false
	}
	report, r := *u.Availability, f.room(u.WorkerID)
	report.At = now // the scheduler's own clock decides how old a report is
	known := f.workers.Update(u.WorkerID, func(w *plan.Worker) {
		behind := w.Incarnation == report.Incarnation && report.Revision < w.Revision
		if behind && now.Sub(r.ahead) < keyWins {
			w.At = now
			return
		}
		before := w.Free
		reopened := w.Cordoned && !report.Cordoned || w.Status == hodei.WorkerDraining && report.Status == hodei.WorkerBusy
		w.Availability, w.Free = report, before
		// A refusal is not counted in the worker's revision, so a key of the same
		// revision ends what refused noted.
		r.free, r.key = report.Free, report.Revision
		more = r.show(w) || reopened || w.Status == hodei.WorkerAvailable
	})
	if known {
		return more
	}
	w := plan.Worker{Availability: report, AckLatency: f.latency, Success: f.success}
	r.free, r.key = report.Free, report.Revision
	w.Free = 0
	more = r.show(&w) || w.Status == hodei.WorkerAvailable
	f.workers.Add(w)
	return more
}

// room is that of the worker. The lock is held.
func (f *fleet) room(id hodei.WorkerID) *room {
	r := f.rooms[id]
	if r == nil {
		r = &room{}
		f.rooms[id] = r
	}
	return r
}

// remove forgets a worker. The lock is held.
func (f *fleet) remove(id hodei.WorkerID) {
	f.workers.Remove(id)
	if f.room(id).offered == 0 {
		delete(f.rooms, id)
	}
}

// choose picks a worker and holds its slots until settle.
func (f *fleet) choose(req plan.Request, now time.Time) (plan.Worker, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	chosen, ok := f.workers.Choose(req, lease, now)
	if ok {
		slots := req.Requirements.Slots()
		f.room(chosen.WorkerID).offered += slots
		f.workers.Update(chosen.WorkerID, func(w *plan.Worker) { w.Free -= slots })
	}
	return chosen, ok
}

// keep has a worker's slots kept as they come free, for a request that found
// none with enough of them. It reports whether there is such a worker.
func (f *fleet) keep(req plan.Request, now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	id, ok := f.workers.Reserve(req, lease, now)
	if ok {
		f.workers.Update(id, func(w *plan.Worker) { w.KeptFor = req.ID })
		f.kept = append(f.kept, id)
	}
	return ok
}

// unkeep lets go of every worker whose slots are kept.
func (f *fleet) unkeep() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, id := range f.kept {
		f.workers.Update(id, func(w *plan.Worker) { w.KeptFor = hodei.ExecutionID{} })
	}
	f.kept = f.kept[:0]
}

// settle ends what choose began. An accepted offer comes with the worker's newer report
// of its slots.
func (f *fleet) settle(id hodei.WorkerID, slots int, accepted bool, free int, revision uint64, took time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.room(id)
	r.offered = max(0, r.offered-slots)
	if accepted {
		f.latency = smooth(f.latency, took)
	}
	known := f.workers.Update(id, func(w *plan.Worker) {
		if accepted {
			w.AckLatency = smooth(w.AckLatency, took)
			r.take(w, free, revision, time.Now())
		}
		r.show(w)
	})
	if !known && r.offered == 0 {
		delete(f.rooms, id)
	}
}

// refused notes that a worker has less room than was asked for, until it writes its key
// again: a worker that refuses one execution is not asked with the next. What made it
// refuse may pass without a change of its slots: its disk lacked space, or it was silent.
func (f *fleet) refused(id hodei.WorkerID, slots int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.workers.Update(id, func(w *plan.Worker) {
		r := f.room(id)
		r.free = min(r.free, slots-1)
		r.show(w)
	})
}

// ended takes in how long an execution ran on its worker, and whether the worker did its
// part of it.
func (f *fleet) ended(e hodei.Execution) {
	f.mu.Lock()
	defer f.mu.Unlock()
	outcome := 1.0
	if e.Reason != nil && e.Reason.OfWorker() {
		outcome = 0
	}
	known := f.workers.Update(*e.WorkerID, func(w *plan.Worker) { w.Success += (outcome - w.Success) / 20 })
	if known {
		f.success += (outcome - f.success) / 20
	}
	if e.StartedAt != nil && e.CompletedAt != nil {
		f.runs = smooth(f.runs, e.CompletedAt.Sub(*e.StartedAt))
	}
}

const (
	patienceRuns = 20
	patienceMost = 10 * time.Second
)

// patience is how long an execution that needs several slots waits for them to be free by
// chance. Then those of one worker are kept for it; else smaller ones that came later
// would take them one by one for ever. What is kept idles for about as long as an
// execution runs, so where executions are short the wait is short as well.
func (f *fleet) patience() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.runs <= 0 {
		return patienceMost
	}
	return min(patienceRuns*f.runs, patienceMost)
}

// reported takes in a worker's report of its slots, nil for none, that came with an
// event. It reports whether there may be work for the worker now.
func (f *fleet) reported(id hodei.WorkerID, free *int, revision uint64) (more bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if free != nil {
		f.workers.Update(id, func(w *plan.Worker) {
			r := f.room(id)
			r.take(w, *free, revision, time.Now())
			more = r.show(w)
		})
	}
	return more
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
	defer f.mu.Unlock()
	return f.workers.Explain(req, lease, now)
}

// reason is why the request waits.
func (f *fleet) reason(req plan.Request, now time.Time) plan.Decision {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.workers.Choose(req, lease, now); ok {
		return plan.Decision{Reason: "about to be assigned"}
	}
	return f.workers.Why(req, lease, now)
}

// unschedulable is why nothing can be scheduled, "" when something can.
func (f *fleet) unschedulable(now time.Time) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.workers.Unschedulable(lease, now)
}

// size is how many workers there are and how many free slots they have.
func (f *fleet) size() (workers, free int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.workers.Size()
}
