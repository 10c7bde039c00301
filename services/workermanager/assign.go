package workermanager

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
)

// assign commits the assignment, then offers the execution to the worker. The
// commit comes first, so that the record contains every execution that may have
// started, whatever fails in between.
func (m *Manager) assign(ctx context.Context, req schemas.AssignRequest) (schemas.Assignment, error) {
	id, err := m.chosen(ctx, req)
	if err != nil {
		return schemas.Assignment{}, err
	}
	worker, err := m.connected(ctx, id)
	if err != nil {
		return schemas.Assignment{}, err
	}
	m.offers.add(req.ExecutionID)
	defer m.offers.remove(req.ExecutionID)
	// Measured from before the commit: after it, others see the assignment and
	// the remaining time of the offer.
	deadline := time.Now().Add(m.cfg.OfferHolds)
	e, err := m.db.AssignExecution(ctx, req.ExecutionID, id, worker.report.Type, worker.report.Incarnation)
	if err != nil {
		return schemas.Assignment{}, err
	}
	if e.CancelRequestedAt != nil { // cancelled while it returned to the queue
		return schemas.Assignment{}, m.takeBack(ctx, e, nil)
	}
	m.publish(ctx, schemas.Event{Type: schemas.EventAssigned, Execution: e})
	if req.WorkerID != nil && !req.Scheduled {
		deadline = deadline.Add(m.cfg.OfferHolds)
		if err := m.resumeNamed(ctx, worker); err != nil {
			return schemas.Assignment{}, m.takeBack(ctx, e, err)
		}
	}
	return m.offer(ctx, e, worker.report, deadline)
}

// start is assign for an execution that does not exist yet.
func (m *Manager) start(ctx context.Context, req schemas.StartRequest) (schemas.Assignment, error) {
	worker, err := m.connected(ctx, req.WorkerID)
	if err != nil {
		return schemas.Assignment{}, err
	}
	m.offers.add(req.ExecutionID)
	defer m.offers.remove(req.ExecutionID)
	deadline := time.Now().Add(m.cfg.OfferHolds)
	draft := hodei.Execution{ID: req.ExecutionID, JobID: req.JobID, PipelineID: req.PipelineID, Spec: req.Spec}
	e, err := m.db.StartExecution(ctx, draft, worker.id, worker.report.Type, worker.report.Incarnation)
	if err != nil {
		return schemas.Assignment{}, err
	}
	m.publish(ctx, schemas.Event{Type: schemas.EventCreated, Execution: e})
	m.publish(ctx, schemas.Event{Type: schemas.EventAssigned, Execution: e})
	return m.offer(ctx, e, worker.report, deadline)
}

// connected returns the worker if it has reported.
func (m *Manager) connected(ctx context.Context, id hodei.WorkerID) (member, error) {
	worker, ok := m.fleet.get(id)
	if ok && !worker.report.WorkerID.IsZero() {
		return worker, nil
	}
	if _, err := m.db.GetWorker(ctx, id); err != nil {
		return member{}, err
	}
	return member{}, notConnected(id)
}

// resumeNamed ends the draining of a worker that a request names. The execution
// is already assigned to the worker in the record, so that no scheduler assigns
// another first.
func (m *Manager) resumeNamed(ctx context.Context, w member) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), m.cfg.OfferHolds)
	defer cancel()
	row, err := m.db.GetWorker(ctx, w.id)
	if err != nil || row.Status != hodei.WorkerDraining && w.report.Status != hodei.WorkerDraining {
		return err
	}
	_, err = m.resumeWorker(ctx, schemas.ResumeWorkerRequest{ID: w.id})
	return err
}

// offer sends the offer, unless its deadline has passed, and acts on the
// answer.
func (m *Manager) offer(ctx context.Context, e hodei.Execution, w hodei.Availability, deadline time.Time) (schemas.Assignment, error) {
	ctx = context.WithoutCancel(ctx) // a committed assignment is completed
	began := time.Now()
	if !began.Before(deadline) {
		return schemas.Assignment{}, m.takeBack(ctx, e, hodei.Errorf(hodei.Unavailable, "The commit took too long"))
	}
	asking, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	answer, err := rpc.CallWorker(asking, m.nc, schemas.RequestExecution, w.WorkerID, schemas.ExecutionRequest{
		ExecutionID: e.ID, JobID: e.JobID, PipelineID: e.PipelineID, Attempt: e.Attempt,
		Spec: e.Spec, LostAfterSeconds: m.fence(e), Incarnation: w.Incarnation, Deadline: deadline.UTC(),
	})
	switch {
	case errors.Is(err, nats.ErrNoResponders): // the offer did not arrive anywhere
		return schemas.Assignment{}, m.takeBack(ctx, e, notConnected(w.WorkerID))
	case turnedAway(err):
		return schemas.Assignment{}, m.takeBack(ctx, e, hodei.Errorf(hodei.Rejected, "Worker refused: %s", err))
	case err != nil: // it may have started: the worker's report decides
		m.log.WarnContext(ctx, "offer not answered", "execution_id", e.ID, "worker_id", w.WorkerID, "err", err)
		return schemas.Assignment{}, hodei.Errorf(hodei.Timeout, "The worker did not answer in time; the execution's record will show whether it started")
	case !answer.Accepted:
		why := "no"
		if answer.Refused != nil {
			why = *answer.Refused
		}
		return schemas.Assignment{}, m.takeBack(ctx, e, hodei.Errorf(hodei.Rejected, "Worker refused: %s", why))
	}
	m.fleet.accepted(w.WorkerID, time.Since(began))
	m.publish(ctx, schemas.Event{Type: schemas.EventStarted, Execution: e, Free: &answer.Free, Revision: answer.Revision})
	return schemas.Assignment{
		WorkerID: w.WorkerID, Status: schemas.Assigned, ExecutionID: e.ID, WorkerType: w.Type,
		StartedAt: *e.StartedAt, Free: answer.Free, Revision: answer.Revision,
	}, nil
}

// notConnected is the error that names the worker instead of the system.
func notConnected(id hodei.WorkerID) error {
	return &hodei.Error{Code: hodei.Unavailable, Message: "Worker is not connected", Resource: id.Noun(), ResourceID: id.String()}
}

// fence returns the silence in seconds after which the execution may be started
// elsewhere, nil if it will not be.
func (m *Manager) fence(e hodei.Execution) *float64 {
	if e.Retries == nil || e.Attempt > e.Retries.Max {
		return nil
	}
	return new(m.cfg.LostAfter.Seconds())
}

// turnedAway reports whether the worker's service refused the offer before the
// worker received it, as a service that is stopping does. Such an error has no
// cause; a transport error has one.
func turnedAway(err error) bool {
	var said *hodei.Error
	return errors.As(err, &said) && said.Err == nil && (said.Code == hodei.Unavailable || said.Code == hodei.Invalid)
}

// takeBack re-queues an execution that its worker has certainly not started,
// and returns the reason.
func (m *Manager) takeBack(ctx context.Context, e hodei.Execution, why error) error {
	cancelled := e.CancelRequestedAt != nil
	e, err := m.db.RequeueExecution(ctx, e.ID, *e.WorkerID, *e.ScheduledAt)
	if errors.Is(err, hodei.Conflict) {
		return err // another instance has settled it
	}
	if err != nil {
		return err // stays RUNNING; the reconciler re-queues it
	}
	if cancelled || e.CancelRequestedAt != nil {
		if err := m.endPending(ctx, e.ID, hodei.ReasonCancelled); err != nil {
			return err
		}
		return hodei.Errorf(hodei.Conflict, "Execution was cancelled")
	}
	m.publish(ctx, schemas.Event{Type: schemas.EventRequeued, Execution: e})
	return why
}

// chosen returns the worker in the request, or the scheduler's choice.
func (m *Manager) chosen(ctx context.Context, req schemas.AssignRequest) (hodei.WorkerID, error) {
	if req.WorkerID != nil {
		return *req.WorkerID, nil
	}
	ask := schemas.ScheduleRequest{ExecutionID: &req.ExecutionID, DryRun: true}
	if req.WorkerRequirements != nil {
		ask.JobConfig = &schemas.JobConfig{Requirements: req.WorkerRequirements}
	}
	d, err := rpc.Call(ctx, m.nc, schemas.Schedule, ask)
	if err != nil {
		return hodei.WorkerID{}, err
	}
	if d.WorkerID == nil {
		return hodei.WorkerID{}, hodei.Errorf(hodei.Rejected, "Not assigned: %s", *d.Reason)
	}
	return *d.WorkerID, nil
}
