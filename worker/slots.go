package worker

import (
	"slices"
	"sync"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
	"github.com/hodei-jobs/hodei/worker/joblog"
)

// remembered is how many ended executions are remembered, so that a late offer
// of one does not start it again.
const remembered = 4096

// slots is the account of the worker's slots: its executions, the number of
// free slots, and the revision of that state. Every message about free slots
// reads both here.
type slots struct {
	total   int
	changed rpc.Signal    // a revision has not been announced yet
	drained chan struct{} // closed when it is leaving and has no executions: irreversible

	mu       sync.Mutex
	free     int
	revision uint64
	cordoned bool
	// cordonedAt is the revision of the last cordon or uncordon.
	cordonedAt uint64
	leaving    hodei.WorkerStatus // DRAINING or TERMINATING, "" while it takes work
	final      bool               // resume is not possible
	deadline   *time.Timer        // of a drain, nil without one
	held       map[hodei.ExecutionID]*run
	ended      map[hodei.ExecutionID]bool
	endings    []hodei.ExecutionID // of ended, a ring
	oldest     int
	runs       sync.WaitGroup
	// unrecorded: the worker leaves, and the ends of what it holds are not recorded.
	unrecorded bool
}

func newSlots(total int) *slots {
	return &slots{
		total: total, free: total, revision: 1, changed: rpc.NewSignal(), drained: make(chan struct{}),
		held: map[hodei.ExecutionID]*run{}, ended: map[hodei.ExecutionID]bool{},
	}
}

// change begins a new revision.
func (s *slots) change() {
	s.revision++
	s.announce()
}

// announce causes the worker's key to be written soon.
func (s *slots) announce() { s.changed.Set() }

// take decides on an offer. If it accepts, it calls begin, and calls the
// function that begin returns before it returns itself. Reports and decisions
// are serialized under mu, so a report after an offer's deadline lists every
// execution accepted before it. unable is a reason outside the slots to refuse,
// "" for none.
func (s *slots) take(req *schemas.ExecutionRequest, incarnation string, unable string, begin func(startedAt time.Time) *run) schemas.Acceptance {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if r, held := s.held[req.ExecutionID]; held { // offered again: the answer was lost
		return schemas.Acceptance{Accepted: true, StartedAt: &r.startedAt, Free: s.free, Revision: s.revision}
	}
	why := s.refuse(req, incarnation, now)
	if why == "" {
		why = unable
	}
	if why != "" {
		return schemas.Acceptance{Refused: &why, Free: s.free, Revision: s.revision}
	}
	s.free -= req.Requirements.Slots()
	s.change()
	r := begin(now.UTC())
	s.held[req.ExecutionID] = r
	return schemas.Acceptance{Accepted: true, StartedAt: &r.startedAt, Free: s.free, Revision: s.revision}
}

// refuse returns the reason to refuse the offer, "" for none.
func (s *slots) refuse(req *schemas.ExecutionRequest, incarnation string, now time.Time) string {
	switch {
	case req.Incarnation != "" && req.Incarnation != incarnation:
		return schemas.RefusedIncarnation
	case now.After(req.Deadline), s.ended[req.ExecutionID]:
		return schemas.RefusedExpired
	case s.leaving != "":
		return schemas.RefusedDraining
	case s.cordoned:
		return schemas.RefusedCordoned
	case req.Requirements.Slots() > s.free:
		return schemas.RefusedFull
	}
	return ""
}

// release frees the slots of an execution whose process has ended.
func (s *slots) release(r *run) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free += r.req.Requirements.Slots()
	s.change()
}

// keep makes the reports list what is held now until the worker has left. The worker
// manager would take an execution that is missing in a report for one that never started,
// and start it again.
func (s *slots) keep() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unrecorded = true
}

// forget removes an execution whose end is recorded.
func (s *slots) forget(r *run) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.unrecorded {
		return
	}
	id := r.req.ExecutionID
	delete(s.held, id)
	s.ended[id] = true
	if len(s.endings) < remembered {
		s.endings = append(s.endings, id)
	} else {
		delete(s.ended, s.endings[s.oldest])
		s.endings[s.oldest], s.oldest = id, (s.oldest+1)%remembered
	}
	s.change()
	s.depart()
}

// get returns a held execution, or nil.
func (s *slots) get(id hodei.ExecutionID) *run {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held[id]
}

// all returns all held executions.
func (s *slots) all() []*run {
	s.mu.Lock()
	defer s.mu.Unlock()
	runs := make([]*run, 0, len(s.held))
	for _, r := range s.held {
		runs = append(runs, r)
	}
	return runs
}

// current returns the number of free slots and the revision.
func (s *slots) current() (free int, revision uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.free, s.revision
}

// report sets the variable part of the worker's report.
func (s *slots) report(a *hodei.Availability) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a.Slots, a.Free, a.Revision, a.At = s.total, s.free, s.revision, time.Now().UTC()
	a.Cordoned = s.cordoned
	a.Running = make([]hodei.ExecutionID, 0, len(s.held))
	for id := range s.held {
		a.Running = append(a.Running, id)
	}
	slices.SortFunc(a.Running, func(a, b hodei.ExecutionID) int { return slices.Compare(a[:], b[:]) })
	switch {
	case s.leaving != "":
		a.Status = s.leaving
	case len(s.held) > 0:
		a.Status = hodei.WorkerBusy
	default:
		a.Status = hodei.WorkerAvailable
	}
}

// journal is the log of an execution that the worker holds, nil for any other.
func (s *slots) journal(id hodei.ExecutionID) *joblog.Journal {
	if r := s.get(id); r != nil {
		return r.journal
	}
	return nil
}

// journals are the logs of all that the worker holds.
func (s *slots) journals() (all []*joblog.Journal) {
	for _, r := range s.all() {
		all = append(all, r.journal)
	}
	return all
}
