package scheduler

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
	"github.com/hodei-jobs/hodei/services/scheduler/plan"
)

// dispatch gives queued executions to workers each time there is reason to
// look. Choosing is done here, one after another, so that this instance never
// offers a slot twice; the assignments then run side by side, at most as many
// as the fleet has slots.
func (s *Scheduler) dispatch(ctx context.Context) error {
	defer s.inflight.Wait()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.queue.woken:
		}
		hopeless := map[string]bool{}
		for ctx.Err() == nil {
			e := s.queue.pop(hopeless)
			if e == nil {
				break
			}
			d := s.fleet.choose(e.req, time.Now())
			if d.Worker == nil {
				// One that was refused somewhere says nothing of its class.
				if len(e.req.Refused) == 0 {
					hopeless[e.class.key] = true
				}
				s.putBack(e)
				continue
			}
			s.inflight.Add(1)
			go s.assign(context.WithoutCancel(ctx), e, *d.Worker)
		}
	}
}

// putBack queues an entry again. Refusals are forgotten after a moment: the
// worker's next word tells whether it has room, but a word may be lost.
func (s *Scheduler) putBack(e *entry) {
	if len(e.req.Refused) == 0 {
		s.queue.restore(e)
		return
	}
	time.AfterFunc(refusalHolds, func() {
		e.req.Refused = nil
		s.queue.restore(e)
		s.queue.wake()
	})
}

// refusalHolds is how long a worker that refused is not asked again for the
// same execution when no other worker can take it.
const refusalHolds = 100 * time.Millisecond

// assign has the worker manager assign the entry to the worker.
func (s *Scheduler) assign(ctx context.Context, e *entry, w plan.Worker) {
	defer s.inflight.Done()
	ctx, cancel := context.WithTimeout(ctx, rpc.DefaultTimeout)
	defer cancel()
	began, slots := time.Now(), e.req.Requirements.Slots()
	a, err := rpc.Call(ctx, s.nc, schemas.AssignExecution, schemas.AssignRequest{ExecutionID: e.req.ID, WorkerID: &w.WorkerID, Scheduled: true})
	s.fleet.settle(w.WorkerID, slots, err == nil, a.Free, a.Word, time.Since(began))
	switch {
	case err == nil:
		s.queue.finish(e, result{decision: schemas.Decision{
			ExecutionID: &e.req.ID, Status: hodei.Running,
			WorkerID: &a.WorkerID, WorkerType: &a.WorkerType, StartedAt: &a.StartedAt, Candidates: []schemas.Candidate{},
		}})
	case errors.Is(err, hodei.Rejected): // the worker refused: try the next best
		e.req.Refused = append(e.req.Refused, w.WorkerID)
		s.queue.restore(e)
		s.queue.wake()
	case errors.Is(err, hodei.Unavailable):
		s.log.WarnContext(ctx, "assignment put off", "execution_id", e.req.ID, "worker_id", w.WorkerID, "err", err)
		e.req.Refused = append(e.req.Refused, w.WorkerID)
		s.putBack(e)
	default: // assigned or ended by somebody else, or not known: the record tells
		s.queue.finish(e, result{err: err})
	}
}

// onEvent learns of freed slots and of executions that need no worker any more.
func (s *Scheduler) onEvent(msg *nats.Msg) {
	var event schemas.Event
	if err := json.Unmarshal(msg.Data, &event); err != nil {
		s.log.Warn("event passed over", "subject", msg.Subject, "err", err)
		return
	}
	e := event.Execution
	switch {
	case event.Type == schemas.EventRequeued:
		s.adopt(e)
	case event.Type == schemas.EventAssigned:
		s.queue.forget(e.ID)
	case e.Status.Ended() && e.WorkerID == nil:
		s.queue.withdraw(e.ID)
	case e.Status.Ended():
		if s.fleet.ended(*e.WorkerID, e.Status == hodei.Completed, event.Free, event.Word) {
			s.queue.wake()
		}
	}
}

// adopt queues an execution that nobody waits for.
func (s *Scheduler) adopt(e hodei.Execution) bool {
	return s.queue.push(&entry{
		req:      plan.Request{ID: e.ID, Requirements: e.Requirements},
		priority: e.Priority, done: make(chan result, 1),
	})
}

// sweep searches the record, at the start and then now and again, for
// executions that no instance has queued: an instance died with them, or they
// were never handed over. It also looks again at what is queued, should a wake
// have been lost.
func (s *Scheduler) sweep(ctx context.Context) error {
	tick := time.NewTicker(s.cfg.Sweep)
	defer tick.Stop()
	for {
		pending, err := s.db.ListPending(ctx, time.Now().Add(-time.Second), 1000)
		if err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "sweep failed", "err", err)
		}
		adopted := 0
		for _, e := range pending {
			if s.adopt(e) {
				adopted++
			}
		}
		if adopted > 0 {
			s.log.InfoContext(ctx, "pending executions adopted", "count", adopted)
		}
		s.queue.wake()
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
