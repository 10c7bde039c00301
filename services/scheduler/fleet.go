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
	// latency and success are the means of the whole fleet. A worker without a
	// history starts with them, so that it is neither avoided nor flooded.
	latency  time.Duration
	success  float64
	runs     time.Duration            // how long an execution holds its slots, on average
	rooms    map[hodei.WorkerID]*room // of the workers, and of those that left with offers unanswered
	reserved []hodei.WorkerID         // workers with a reservation
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
	f.workers, f.reserved, f.rooms = plan.NewIndex(f.weights), nil, map[hodei.WorkerID]*room{}
	f.latency, f.success, f.runs = 0, 1, 0
}

// lease is how old a report may be. It allows for a late key.
const lease = kv.Lease + kv.Renew

// watched applies a change of the bucket. It reports whether the worker may take more now.
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

// room returns the room of the worker. The caller holds the lock.
func (f *fleet) room(id hodei.WorkerID) *room {
	r := f.rooms[id]
	if r == nil {
		r = &room{}
		f.rooms[id] = r
	}
	return r
}

// remove removes a worker. The caller holds the lock.
func (f *fleet) remove(id hodei.WorkerID) {
	f.workers.Remove(id)
	if f.room(id).offered == 0 {
		delete(f.rooms, id)
	}
}

// choose picks a worker and counts the slots as offered until settle.
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

// reserve reserves the slots of one worker, as they become free, for a request that no worker
// has enough free slots for.
func (f *fleet) reserve(req plan.Request, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if id, ok := f.workers.Reserve(req, lease, now); ok {
		f.workers.Update(id, func(w *plan.Worker) { w.ReservedFor = req.ID })
		f.reserved = append(f.reserved, id)
	}
}

// releaseReservations ends every reservation.
func (f *fleet) releaseReservations() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, id := range f.reserved {
		f.workers.Update(id, func(w *plan.Worker) { w.ReservedFor = hodei.ExecutionID{} })
	}
	f.reserved = f.reserved[:0]
}

// settle ends the offer of slots that choose counts. The answer to an accepted offer contains
// the worker's newer report of its slots.
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

// refused records that a worker has fewer free slots than requested, until it writes its
// key again, so that the next execution is not offered to it. The cause may be another one
// than slots, such as a full disk.
func (f *fleet) refused(id hodei.WorkerID, slots int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.workers.Update(id, func(w *plan.Worker) {
		r := f.room(id)
		r.free = min(r.free, slots-1)
		r.show(w)
	})
}

// ended updates the history of a worker with the running time of an execution and whether
// the worker caused its failure.
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

// patience is how long an execution that needs several slots waits before those of one worker
// are reserved. Without a reservation, smaller executions that came later would take
// each slot that becomes free. Reserved slots idle for about the running time of an
// execution, so the patience is proportional to it.
func (f *fleet) patience() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.runs <= 0 {
		return patienceMost
	}
	return min(patienceRuns*f.runs, patienceMost)
}

// reported applies the free slots of a worker in an event, nil for none. It reports whether
// the worker may take more now.
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

// explain returns plan's verdict on every worker, best first.
func (f *fleet) explain(req plan.Request, now time.Time) ([]plan.Verdict, plan.Decision) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.workers.Explain(req, lease, now)
}

// reason returns why the request waits.
func (f *fleet) reason(req plan.Request, now time.Time) plan.Decision {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.workers.Choose(req, lease, now); ok {
		return plan.Decision{Reason: "about to be assigned"}
	}
	return f.workers.Why(req, lease, now)
}

// unschedulable returns why no worker can take anything; "" if one can.
func (f *fleet) unschedulable(now time.Time) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.workers.Unschedulable(lease, now)
}

// size returns the number of workers and of their free slots.
func (f *fleet) size() (workers, free int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.workers.Size()
}
