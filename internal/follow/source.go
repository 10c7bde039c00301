package follow

import (
	"time"

	"github.com/hodei-jobs/hodei"
)

// source decides which chunks belong to the log. Every worker may publish chunks of every
// execution below its own id, and NATS vouches for the id alone, so only those of the worker that
// the record or an event names count.
type source struct {
	worker hodei.WorkerID // zero while it is not known
	any    bool           // the record does not name workers
	held   []arrived
	bytes  int
}

// arrived is a chunk that a worker has published.
type arrived struct {
	worker hodei.WorkerID
	chunk
	at time.Time
}

// heldMost bounds the bytes of chunks that arrive before the worker is known: usually the first
// ones of an execution, which may overtake the event of its start. Further ones are dropped, and
// read from the record.
const heldMost = 256 << 10

// admits reports whether a chunk belongs to the log. A chunk whose worker is not known to run the
// execution yet is held.
func (s *source) admits(a arrived) bool {
	if s.any || !s.worker.IsZero() {
		return s.any || a.worker == s.worker
	}
	if size := cost(a.chunk); s.bytes+size <= heldMost {
		s.held, s.bytes = append(s.held, a), s.bytes+size
	}
	return false
}

// runsOn stores the worker of the execution, if it is known, and adds the chunks that were held
// for it. The caller holds the lock.
func (f *Feed) runsOn(worker *hodei.WorkerID, status hodei.ExecutionStatus) {
	s := &f.source
	switch {
	case worker == nil && status != hodei.Running || worker != nil && *worker == s.worker:
		return
	case worker == nil:
		s.any = s.worker.IsZero() // a worker manager of an earlier version answers without it
	default:
		if !s.worker.IsZero() { // it was queued again: nothing of the first worker belongs to the log
			f.ring.drop(len(f.ring.chunks))
			f.head = 0
		}
		s.worker, s.any = *worker, false
	}
	held := s.held
	s.held, s.bytes = nil, 0
	for _, a := range held {
		if s.admits(a) {
			f.add(a.chunk, a.at)
		}
	}
}
