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
	// workers is what plan looks at, kept in place so that choosing copies
	// nothing; index finds a worker in it.
	workers []plan.Worker
	index   map[hodei.WorkerID]int
	rooms   map[hodei.WorkerID]*room // of the workers, and of those that left with offers unanswered
	kept    []hodei.WorkerID         // those whose slots are kept for somebody
}

func newFleet(w plan.Weights) *fleet {
	return &fleet{weights: w, index: map[hodei.WorkerID]int{}, rooms: map[hodei.WorkerID]*room{}}
}

// clear forgets every worker.
func (f *fleet) clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.workers, f.kept = nil, nil
	f.index, f.rooms = map[hodei.WorkerID]int{}, map[hodei.WorkerID]*room{}
}

// lease allows a worker's key to arrive a little late.
const lease = kv.Lease + kv.Renew

// watched takes in a change of the bucket, and reports whether there may be work for the
// worker now.
func (f *fleet) watched(u kv.Update, now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	at, known := f.index[u.WorkerID]
	if u.Availability == nil {
		if known {
			f.remove(at)
		}
		return false
	}
	report := *u.Availability
	report.WorkerID = u.WorkerID // by which remove finds it again
	report.At = now              // the scheduler's own clock decides how old a report is
	r := f.room(u.WorkerID)
	if !known {
		latency, success := f.usual()
		at = len(f.workers)
		f.index[u.WorkerID] = at
		f.workers = append(f.workers, plan.Worker{AckLatency: latency, Success: success})
	}
	w := &f.workers[at]
	behind := known && w.Incarnation == report.Incarnation && report.Revision < w.Revision
	if behind && now.Sub(r.ahead) < keyWins {
		w.At = now
		return false
	}
	before := w.Free
	w.Availability, w.Free = report, before
	// A refusal is not counted in the worker's revision, so a key of the same revision
	// ends what refused noted.
	r.free, r.key = report.Free, report.Revision
	return r.show(w) || w.Status == hodei.WorkerAvailable
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
	if f.room(gone).offered == 0 {
		delete(f.rooms, gone)
	}
}

// choose picks a worker and holds its slots until settle.
func (f *fleet) choose(req plan.Request, now time.Time) plan.Decision {
	f.mu.Lock()
	defer f.mu.Unlock()
	d := plan.Choose(f.workers, req, f.weights, lease, now)
	if d.Worker != nil {
		chosen := *d.Worker // callers must not see it change
		slots := req.Requirements.Slots()
		f.room(chosen.WorkerID).offered += slots
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

// settle ends what choose began. An accepted offer comes with the worker's newer report
// of its slots.
func (f *fleet) settle(id hodei.WorkerID, slots int, accepted bool, free int, revision uint64, took time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.room(id)
	r.offered = max(0, r.offered-slots)
	at, known := f.index[id]
	if !known {
		if r.offered == 0 {
			delete(f.rooms, id)
		}
		return
	}
	w := &f.workers[at]
	if accepted {
		w.AckLatency = smooth(w.AckLatency, took)
		r.take(w, free, revision, time.Now())
	}
	r.show(w)
}

// refused notes that a worker has less room than was asked for, until it writes its key
// again: a worker that refuses one execution is not asked with the next. What made it
// refuse may pass without a change of its slots: its disk lacked space, or it was silent.
func (f *fleet) refused(id hodei.WorkerID, slots int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if at, known := f.index[id]; known {
		r := f.room(id)
		r.free = min(r.free, slots-1)
		r.show(&f.workers[at])
	}
}

// ended takes in whether the worker did its part of an execution.
func (f *fleet) ended(id hodei.WorkerID, success bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if at, known := f.index[id]; known {
		outcome := 0.0
		if success {
			outcome = 1
		}
		w := &f.workers[at]
		w.Success += (outcome - w.Success) / 20
	}
}

// reported takes in a worker's report of its slots, nil for none, that came with an
// event. It reports whether there may be work for the worker now.
func (f *fleet) reported(id hodei.WorkerID, free *int, revision uint64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	at, known := f.index[id]
	if !known || free == nil {
		return false
	}
	w, r := &f.workers[at], f.room(id)
	r.take(w, *free, revision, time.Now())
	return r.show(w)
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

// unschedulable is why nothing can be scheduled, "" when something can.
func (f *fleet) unschedulable(now time.Time) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return plan.Unschedulable(f.workers, lease, now)
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
