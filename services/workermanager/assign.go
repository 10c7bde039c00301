package workermanager

import (
	"context"
	"errors"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/batch"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
)

// assign assigns an execution to the worker that a user names, or to the
// scheduler's choice.
func (m *Manager) assign(ctx context.Context, req schemas.AssignRequest) (schemas.Assignment, error) {
	execution, err := m.db.ExecutionID(ctx, req.ExecutionID)
	if err != nil {
		return schemas.Assignment{}, err
	}
	id, err := m.chosen(ctx, req)
	if err != nil {
		return schemas.Assignment{}, err
	}
	worker, err := m.connected(ctx, id)
	if err != nil {
		return schemas.Assignment{}, err
	}
	var resume func() error
	if req.WorkerID != nil && !req.Scheduled {
		resume = func() error { return m.resumeNamed(ctx, worker) }
	}
	a := m.assignTo(ctx, worker, []hodei.ExecutionID{execution}, resume)[0]
	return a.Value, a.Err
}

// assignAll assigns the executions that the scheduler has chosen for one worker.
func (m *Manager) assignAll(ctx context.Context, req schemas.AssignExecutionsRequest) (out schemas.Results[schemas.Assignment], err error) {
	worker, err := m.connected(ctx, req.WorkerID)
	if err != nil {
		return out, err
	}
	for _, a := range m.assignTo(ctx, worker, req.ExecutionIDs, nil) {
		out.Results = append(out.Results, rpc.Result(ctx, m.svc, schemas.AssignExecutions.Op, a.Value, a.Err))
	}
	return out, nil
}

// assignTo commits that the worker has the executions, then offers them to it. The
// commit comes first, so that the record contains every execution that may have
// started, whatever fails in between. Resume, where it is set, runs between the two and
// may take as long as an offer.
func (m *Manager) assignTo(ctx context.Context, w member, ids []hodei.ExecutionID, resume func() error) []batch.Answer[schemas.Assignment] {
	m.offers.add(ids...)
	defer m.offers.remove(ids...)
	// Measured from before the commit: after it, others see the assignment and
	// the remaining time of the offer.
	deadline := time.Now().Add(m.cfg.OfferHolds)
	if resume != nil {
		deadline = deadline.Add(m.cfg.OfferHolds)
	}
	out := make([]batch.Answer[schemas.Assignment], len(ids))
	var assigned []hodei.Execution
	var places []int
	for i, a := range m.db.AssignExecutions(ctx, ids, w.id, w.report.Type, w.report.Incarnation) {
		if a.Err == nil {
			a.Err = m.committed(ctx, *a.Value, resume)
		}
		if a.Err != nil {
			out[i].Err = a.Err
			continue
		}
		assigned, places = append(assigned, *a.Value), append(places, i)
	}
	for n, a := range m.offer(ctx, assigned, w.report, deadline) {
		out[places[n]] = a
	}
	return out
}

// committed follows the commit of an assignment. Unless it returns nil, the execution is
// not to be offered.
func (m *Manager) committed(ctx context.Context, e hodei.Execution, resume func() error) error {
	if e.CancelRequestedAt != nil { // cancelled while it returned to the queue
		return m.takeBack(ctx, e, nil)
	}
	if resume != nil {
		if err := resume(); err != nil {
			return m.notAccepted(ctx, e, err)
		}
	}
	return nil
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
	a := m.offer(ctx, []hodei.Execution{e}, worker.report, deadline)[0]
	return a.Value, a.Err
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

// notConnected is the error that names the worker instead of the system.
func notConnected(id hodei.WorkerID) error {
	return &hodei.Error{Code: hodei.Unavailable, Message: "Worker is not connected", Resource: id.Noun(), ResourceID: id.String()}
}

// notAccepted is takeBack for an execution whose assignment became visible in the record.
// Its event is published only here and when the answer is unknown: the event of the start
// has the same record, so that one published before it would be for nothing.
func (m *Manager) notAccepted(ctx context.Context, e hodei.Execution, why error) error {
	m.publish(ctx, schemas.Event{Type: schemas.EventAssigned, Execution: e})
	return m.takeBack(ctx, e, why)
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
