package scheduler

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/batch"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
	"github.com/hodei-jobs/hodei/services/scheduler/plan"
)

// dispatch gives queued executions to workers each time there is reason to
// look. Choosing is done here, one after another, in the order of the queue; the
// assignments then run side by side, at most as many as the fleet has slots. What
// is chosen is held until the assignment has come to something, so that this
// instance never offers a slot twice.
func (s *Scheduler) dispatch(ctx context.Context) error {
	defer s.inflight.Wait()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.queue.woken:
		}
		s.trouble.wait(ctx)
		s.round(ctx)
		if s.more.Load() && s.queue.len() < sweepPage/2 {
			s.sweepSoon()
		}
	}
}

// round goes through the queue once.
func (s *Scheduler) round(ctx context.Context) {
	s.fleet.unkeep()
	hopeless := map[string]bool{}
	for ctx.Err() == nil {
		e := s.queue.pop(hopeless)
		if e == nil {
			return
		}
		now := time.Now()
		if w, ok := s.fleet.choose(e.req, now); ok {
			s.inflight.Add(1)
			go s.assign(context.WithoutCancel(ctx), e, w)
			continue
		}
		// One that was refused somewhere says nothing of its class.
		if len(e.req.Refused) == 0 {
			hopeless[e.class.key] = true
			if e.req.Requirements.Slots() > 1 && now.Sub(e.since()) > s.fleet.patience() {
				s.fleet.keep(e.req, now)
			}
		}
		s.putBack(e)
	}
}

// putBack queues an entry again. Refusals are forgotten after a moment: the
// worker's next report shows whether it has room, but a report may be lost.
func (s *Scheduler) putBack(e *entry) {
	if len(e.req.Refused) == 0 {
		s.queue.restore(e)
		return
	}
	s.after(refusalHolds, func() {
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
	defer s.contain("assignment")
	a, err := s.give(e.req, w, func() (schemas.Assignment, error) {
		return s.assignments.Do(ctx, w.WorkerID, e.req.ID)
	})
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
	case notConnected(err): // its key is older than its death
		e.req.Refused = append(e.req.Refused, w.WorkerID)
		s.queue.restore(e)
		s.queue.wake()
	case errors.Is(err, hodei.Unavailable): // no worker manager, no database, or no lease
		s.trouble.grow()
		s.log.WarnContext(ctx, "assignment put off", "execution_id", e.req.ID, "worker_id", w.WorkerID, "err", err)
		s.queue.restore(e)
		s.queue.wake()
	case !s.queue.waited(e):
		s.queue.finish(e, result{err: err})
	default: // assigned by name or ended meanwhile, or not known
		s.queue.finish(e, s.look(ctx, e.req.ID, err))
	}
}

// requestAssignments asks the worker manager to assign the executions that were chosen
// for the worker while others were being assigned to it. Those that wait are not given up
// meanwhile: each request is bounded by itself.
func (s *Scheduler) requestAssignments(ctx context.Context, id hodei.WorkerID, executions []hodei.ExecutionID) ([]batch.Answer[schemas.Assignment], error) {
	if !s.leads() {
		return nil, errDeposed
	}
	ctx, cancel := context.WithTimeout(ctx, rpc.DefaultTimeout)
	defer cancel()
	reply, err := rpc.Call(ctx, s.nc, schemas.AssignExecutions, schemas.AssignExecutionsRequest{WorkerID: id, ExecutionIDs: executions})
	if err != nil {
		return nil, err
	}
	return batch.Answers(len(executions), reply.Get), nil
}

// errDeposed is the answer while another scheduler may lead.
var errDeposed = hodei.Errorf(hodei.Unavailable, "This scheduler leads no longer; the execution waits in the record")

// give asks the worker manager to give the worker an execution for which slots of it are
// held, and takes in what the answer contains of them. Every decision passes here, so
// here a scheduler that was stopped or cut off finds that its lease is not to be trusted.
func (s *Scheduler) give(req plan.Request, w plan.Worker, ask func() (schemas.Assignment, error)) (a schemas.Assignment, err error) {
	began, slots := time.Now(), req.Requirements.Slots()
	if err = errDeposed; s.leads() {
		a, err = ask()
	}
	s.fleet.settle(w.WorkerID, slots, err == nil, a.Free, a.Revision, time.Since(began))
	switch {
	case err == nil:
		s.trouble.over()
	case errors.Is(err, hodei.Rejected):
		s.fleet.refused(w.WorkerID, slots)
	}
	return a, err
}

// look has the record tell what became of an execution that could not be
// assigned for the given reason.
func (s *Scheduler) look(ctx context.Context, id hodei.ExecutionID, why error) result {
	if !errors.Is(why, hodei.Conflict) && !errors.Is(why, hodei.Timeout) {
		return result{err: why}
	}
	e, err := s.db.GetExecution(ctx, id)
	if err != nil || e.Status.Ended() {
		return result{err: why}
	}
	return result{decision: recorded(e)}
}

// recorded is the decision that the record shows.
func recorded(e hodei.Execution) schemas.Decision {
	return schemas.Decision{
		ExecutionID: &e.ID, Status: e.Status, WorkerID: e.WorkerID, WorkerType: e.WorkerType, StartedAt: e.StartedAt,
		Candidates: []schemas.Candidate{},
	}
}

// onEvent takes in executions that wait, freed slots, and executions that need no worker
// any more.
func (s *Scheduler) onEvent(msg *nats.Msg) {
	var event schemas.Event
	if err := json.Unmarshal(msg.Data, &event); err != nil {
		s.log.Warn("event passed over", "subject", msg.Subject, "err", err)
		return
	}
	if err := event.Validate(); err != nil {
		s.log.Warn("event refused", "subject", msg.Subject, "err", err)
		return
	}
	e := event.Execution
	switch {
	case event.Type == schemas.EventCreated, event.Type == schemas.EventRequeued:
		held := e.Reason != nil && *e.Reason == hodei.ReasonNotBefore // it is requeued when its time comes
		if e.Status == hodei.Pending && !held {                       // one that was placed is created RUNNING
			s.adopt(e.ID, e.Priority, e.Requirements, e.NotBefore)
		}
	case event.Type == schemas.EventStarted:
		s.queue.settle(e.ID, result{decision: recorded(e)})
	case e.Status.Ended() && e.WorkerID == nil:
		s.queue.withdraw(e.ID, result{decision: recorded(e)})
	case e.Status.Ended():
		s.fleet.ended(e)
	}
	if e.WorkerID != nil && s.fleet.reported(*e.WorkerID, event.Free, event.Revision) {
		s.queue.wake()
	}
}

// notConnected reports whether it is the worker that is not there, rather than
// the worker manager or what that needs.
func notConnected(err error) bool {
	var said *hodei.Error
	return errors.As(err, &said) && said.Code == hodei.Unavailable && said.Resource == "worker"
}

// trouble is the pause that is made while nothing can be assigned: longer each
// time, and none once it works again.
type trouble struct {
	mu    sync.Mutex
	pause time.Duration
	until time.Time
}

const (
	troubleFirst = 50 * time.Millisecond
	troubleMost  = 2 * time.Second
)

func (t *trouble) grow() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now := time.Now(); now.After(t.until) { // those that fail together count once
		t.pause = min(max(2*t.pause, troubleFirst), troubleMost)
		t.until = now.Add(t.pause)
	}
}

func (t *trouble) over() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pause, t.until = 0, time.Time{}
}

func (t *trouble) wait(ctx context.Context) {
	t.mu.Lock()
	left := time.Until(t.until)
	t.mu.Unlock()
	if left > 0 {
		pause(ctx, left)
	}
}
