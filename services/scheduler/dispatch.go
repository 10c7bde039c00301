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

// dispatch assigns queued executions each time the queue is woken. It chooses workers
// sequentially, in the order of the queue; the assignments run in parallel, at most as many
// as the fleet has slots. The chosen slots count as offered until the assignment has ended, so
// this instance never offers a slot twice.
func (s *Scheduler) dispatch(ctx context.Context) error {
	defer s.inflight.Wait()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.queue.woken:
		}
		s.backoff.wait(ctx)
		s.round(ctx)
		if s.more.Load() && s.queue.len() < sweepPage/2 { // the record has more than the queue
			s.soon.Set()
		}
	}
}

// round makes one pass over the queue.
func (s *Scheduler) round(ctx context.Context) {
	s.fleet.releaseReservations()
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
		// An entry that a worker has refused does not represent its class.
		if len(e.req.Refused) == 0 {
			hopeless[e.class.key] = true
			if e.req.Requirements.Slots() > 1 && now.Sub(e.since()) > s.fleet.patience() {
				s.fleet.reserve(e.req, now)
			}
		}
		s.putBack(e)
	}
}

// putBack queues an entry again. An entry with refusals is queued after refusalHolds, without
// them: the worker's next report may be lost.
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

// refusalHolds is how long an execution that no other worker can take is not offered again
// to a worker that refused it.
const refusalHolds = 100 * time.Millisecond

// assign requests the assignment of the entry to the worker, and settles or requeues the
// entry.
func (s *Scheduler) assign(ctx context.Context, e *entry, w plan.Worker) {
	defer s.inflight.Done()
	defer s.contain("assignment")
	a, err := s.give(e.req, w, func() (schemas.Assignment, error) {
		return s.assignments.Do(ctx, w.WorkerID, e.req.ID)
	})
	switch outcomeOf(err) {
	case assigned:
		s.queue.finish(e, result{decision: schemas.Decision{
			ExecutionID: &e.req.ID, Status: hodei.Running,
			WorkerID: &a.WorkerID, WorkerType: &a.WorkerType, StartedAt: &a.StartedAt, Candidates: []schemas.Candidate{},
		}})
	case refused:
		e.req.Refused = append(e.req.Refused, w.WorkerID)
		s.queue.restore(e)
		s.queue.wake()
	case unavailable:
		s.backoff.grow()
		s.log.WarnContext(ctx, "assignment failed, queued again", "execution_id", e.req.ID, "worker_id", w.WorkerID, "err", err)
		s.queue.restore(e)
		s.queue.wake()
	case unclear:
		s.queue.finish(e, s.readState(ctx, e, err))
	case failed:
		s.queue.finish(e, result{err: err})
	}
}

// outcome is how the request to assign an execution to a worker ended.
type outcome int

const (
	assigned    outcome = iota // the worker has accepted
	refused                    // another worker is tried: this one refused, or has died and its key has not expired yet
	unavailable                // tried again after a backoff: no worker manager, no Postgres, or no lease
	unclear                    // the record has the state: assigned by name, ended, or no answer in time
	failed                     // not tried again, for example because the execution was deleted
)

// outcomeOf returns the outcome that the error of an assignment means.
func outcomeOf(err error) outcome {
	switch {
	case err == nil:
		return assigned
	case errors.Is(err, hodei.Rejected), notConnected(err):
		return refused
	case errors.Is(err, hodei.Unavailable):
		return unavailable
	case errors.Is(err, hodei.Conflict), errors.Is(err, hodei.Timeout):
		return unclear
	}
	return failed
}

// requestAssignments sends one request with all executions that were chosen for the worker
// while the previous request was in flight. Each request has its own timeout.
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

// errDeposed is the answer when the lease is no longer trusted.
var errDeposed = hodei.Errorf(hodei.Unavailable, "This scheduler is no longer the leader; the execution stays PENDING")

// give sends a request for an execution whose slots fleet.choose has counted as offered, and updates
// the fleet from the answer. Every decision passes through give, so it checks the lease: a
// process that was suspended sends nothing.
func (s *Scheduler) give(req plan.Request, w plan.Worker, ask func() (schemas.Assignment, error)) (a schemas.Assignment, err error) {
	began, slots := time.Now(), req.Requirements.Slots()
	if err = errDeposed; s.leads() {
		a, err = ask()
	}
	s.fleet.settle(w.WorkerID, slots, err == nil, a.Free, a.Revision, time.Since(began))
	switch {
	case err == nil:
		s.backoff.reset()
	case errors.Is(err, hodei.Rejected):
		s.fleet.refused(w.WorkerID, slots)
	}
	return a, err
}

// readState returns the state of an entry in the record, if a request waits for the result.
// It returns why, the error of the assignment, if the execution did not start or has ended.
func (s *Scheduler) readState(ctx context.Context, e *entry, why error) result {
	if !s.queue.waited(e) {
		return result{err: why}
	}
	now, err := s.db.GetExecution(ctx, e.req.ID)
	if err != nil || now.Status.Ended() {
		return result{err: why}
	}
	return result{decision: schemas.DecisionOf(now)}
}

// onEvent updates the queue and the fleet from an event of an execution.
func (s *Scheduler) onEvent(msg *nats.Msg) {
	var event schemas.Event
	if err := json.Unmarshal(msg.Data, &event); err != nil {
		s.log.Warn("event not decoded", "subject", msg.Subject, "err", err)
		return
	}
	if err := event.Validate(); err != nil {
		s.log.Warn("event refused", "subject", msg.Subject, "err", err)
		return
	}
	e := event.Execution
	switch {
	case event.Type == schemas.EventCreated, event.Type == schemas.EventRequeued:
		// One that is held is requeued when its time comes, one that was placed is created RUNNING.
		if e.Status == hodei.Pending && !e.Held() {
			s.adopt(e.ID, e.Priority, e.Requirements, e.NotBefore)
		}
	case event.Type == schemas.EventStarted:
		s.queue.settle(e.ID, result{decision: schemas.DecisionOf(e)})
	case e.Status.Ended() && e.WorkerID == nil:
		s.queue.withdraw(e.ID, result{decision: schemas.DecisionOf(e)})
	case e.Status.Ended():
		s.fleet.ended(e)
	}
	if e.WorkerID != nil && s.fleet.reported(*e.WorkerID, event.Free, event.Revision) {
		s.queue.wake()
	}
}

// notConnected reports whether the error means that the worker is not connected, and not
// that the worker manager is unavailable.
func notConnected(err error) bool {
	var known *hodei.Error
	return errors.As(err, &known) && known.Code == hodei.Unavailable && known.Resource == "worker"
}

// backoff is the pause while assignments fail, longer each time. A success resets it.
type backoff struct {
	mu    sync.Mutex
	pause time.Duration
	until time.Time
}

const (
	backoffFirst = 50 * time.Millisecond
	backoffMost  = 2 * time.Second
)

func (b *backoff) grow() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now := time.Now(); now.After(b.until) { // assignments that fail together count once
		b.pause = min(max(2*b.pause, backoffFirst), backoffMost)
		b.until = now.Add(b.pause)
	}
}

func (b *backoff) reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pause, b.until = 0, time.Time{}
}

func (b *backoff) wait(ctx context.Context) {
	b.mu.Lock()
	left := time.Until(b.until)
	b.mu.Unlock()
	if left > 0 {
		pause(ctx, left)
	}
}
