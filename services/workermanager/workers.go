package workermanager

import (
	"context"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/postgres"
	"github.com/hodei-jobs/hodei/schemas"
)

// registerWorker records a worker. A restarted worker is a new incarnation, and
// the executions of the old one are lost.
func (m *Manager) registerWorker(ctx context.Context, req schemas.RegisterWorkerRequest) (hodei.Worker, error) {
	return m.register(ctx, req, m.db.RegisterWorker)
}

// joinWorker is registerWorker for a worker that chose its id.
func (m *Manager) joinWorker(ctx context.Context, req schemas.RegisterWorkerRequest) (hodei.Worker, error) {
	return m.register(ctx, req, m.db.JoinWorker)
}

type recordWorker func(ctx context.Context, w hodei.Worker, incarnation string) (postgres.Registered, error)

func (m *Manager) register(ctx context.Context, req schemas.RegisterWorkerRequest, record recordWorker) (hodei.Worker, error) {
	if err := hodei.CheckLabels(req.Labels); err != nil {
		return hodei.Worker{}, err
	}
	if req.ID != nil && req.ID.IsZero() { // that stands for no worker elsewhere, and was never found lost
		return hodei.Worker{}, hodei.InvalidField("id", "must not be zero")
	}
	w := hodei.Worker{Name: req.Name, Type: req.Type, TotalCapacity: req.Capacity, Labels: req.Labels, Version: req.Version, Dedicated: req.Dedicated}
	if w.Labels == nil {
		w.Labels = map[string]string{}
	}
	w.ID = req.Sender()
	made, err := record(ctx, w, req.Incarnation)
	if err != nil {
		return w, err
	}
	w = made.Worker
	if made.Before != "" && made.Before != req.Incarnation {
		if err := m.lose(ctx, w.ID, made.Before, always); err != nil {
			return w, err
		}
	}
	m.fleet.forget(w.ID)
	m.fleet.expect(w.ID, req.Incarnation, time.Now())
	m.log.InfoContext(ctx, "worker registered", "worker_id", w.ID, "type", w.Type, "slots", w.TotalCapacity)
	return w, nil
}

// leaveWorker records that one incarnation of a worker has certainly ended.
func (m *Manager) leaveWorker(ctx context.Context, req schemas.LeaveRequest) (schemas.Empty, error) {
	to := hodei.WorkerTerminated
	if req.Killed {
		to = hodei.WorkerOffline
	}
	if _, err := m.db.GetWorker(ctx, req.WorkerID); err != nil {
		return schemas.Empty{}, err
	}
	current, err := m.db.LeaveWorker(ctx, req.WorkerID, req.Incarnation, to)
	if err != nil || !current {
		return schemas.Empty{}, err // another incarnation has replaced it and ended its executions
	}
	m.fleet.forget(req.WorkerID)
	m.log.InfoContext(ctx, "worker left", "worker_id", req.WorkerID, "killed", req.Killed)
	return schemas.Empty{}, m.lose(ctx, req.WorkerID, req.Incarnation, always)
}

// always is later than any time: an ended incarnation gets no more executions.
var always = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// lose ends the executions of one incarnation of the worker as of a time of
// Postgres. It names the ended incarnation, because by now another may be
// active.
func (m *Manager) lose(ctx context.Context, id hodei.WorkerID, gone string, asOf time.Time) error {
	lost, err := m.db.LoseExecutions(ctx, id, gone, asOf, m.offers.all())
	for _, e := range lost {
		m.log.WarnContext(ctx, "execution lost with its worker", "execution_id", e.ID, "worker_id", id)
		m.publishEnd(ctx, e, nil, 0)
		m.wake(e)
	}
	return err
}

func (m *Manager) getWorker(ctx context.Context, req schemas.GetWorkerRequest) (hodei.Worker, error) {
	w, err := m.db.GetWorker(ctx, req.ID)
	return m.live(w), err
}

func (m *Manager) listWorkers(ctx context.Context, req schemas.ListWorkersRequest) (schemas.List[hodei.Worker], error) {
	states, err := schemas.States("status", req.Status, hodei.WorkerTransitions)
	if err != nil {
		return schemas.List[hodei.Worker]{}, err
	}
	filter := postgres.WorkerFilter{
		Types: req.Type, States: states, Registered: postgres.Between{From: req.CreatedAfter, To: req.CreatedBefore},
	}
	items, next, err := m.db.ListWorkers(ctx, filter, postgres.Page{Cursor: req.Cursor, Size: req.Size()})
	for i, w := range items {
		items[i] = m.live(w)
	}
	return schemas.List[hodei.Worker]{Items: items, NextCursor: next}, err
}

// live adds to a recorded worker the values that only this instance has
// measured. Its status, running executions and free slots come from the record
// only: the reports of this instance may be older than answers of another.
func (m *Manager) live(w hodei.Worker) hodei.Worker {
	known, ok := m.fleet.get(w.ID)
	if !ok || w.Status == hodei.WorkerOffline || w.Status == hodei.WorkerTerminated {
		return w
	}
	if why := known.report.Blocked; why != "" {
		w.Blocked, w.Capacity = &why, 0 // even if slots are free
	}
	if at := known.reportedAt.UTC(); !known.reportedAt.IsZero() && (w.LastSeenAt == nil || at.After(*w.LastSeenAt)) {
		w.LastSeenAt = &at
	}
	if known.latency > 0 {
		seconds := known.latency.Seconds()
		w.AckLatencySeconds = &seconds
	}
	return w
}
