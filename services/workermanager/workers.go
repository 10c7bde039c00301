package workermanager

import (
	"context"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/postgres"
	"github.com/hodei-jobs/hodei/schemas"
)

// registerWorker records a worker. A worker that was started again is a new
// incarnation, and whatever the old one ran is lost.
func (m *Manager) registerWorker(ctx context.Context, req schemas.RegisterWorkerRequest) (hodei.Worker, error) {
	if err := hodei.CheckLabels(req.Labels); err != nil {
		return hodei.Worker{}, err
	}
	w := hodei.Worker{Name: req.Name, Type: req.Type, TotalCapacity: req.Capacity, Labels: req.Labels, Version: req.Version}
	if w.Labels == nil {
		w.Labels = map[string]string{}
	}
	if req.ID != nil {
		w.ID = *req.ID
	}
	made, err := m.db.RegisterWorker(ctx, w, req.Incarnation)
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
	m.log.InfoContext(ctx, "worker registered", "worker_id", w.ID, "type", w.Type, "capacity", w.TotalCapacity)
	return w, nil
}

// leaveWorker records that one incarnation of a worker is gone for certain.
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
		return schemas.Empty{}, err // another incarnation has taken its place, and ended what it ran
	}
	m.fleet.forget(req.WorkerID)
	m.log.InfoContext(ctx, "worker left", "worker_id", req.WorkerID, "killed", req.Killed)
	return schemas.Empty{}, m.lose(ctx, req.WorkerID, req.Incarnation, always)
}

// always is later than anything: who is gone for certain is given nothing more.
var always = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// lose ends what one incarnation of the worker was running as of a time of
// Postgres. It names the one that is gone: by the time this is done another may
// be at work, or the same again.
func (m *Manager) lose(ctx context.Context, id hodei.WorkerID, gone string, asOf time.Time) error {
	lost, err := m.db.LoseExecutions(ctx, id, gone, asOf, m.offers.all())
	for _, e := range lost {
		m.log.WarnContext(ctx, "execution lost with its worker", "execution_id", e.ID, "worker_id", id)
		m.publishEnd(ctx, e, nil, 0)
	}
	return err
}

func (m *Manager) getWorker(ctx context.Context, req schemas.GetWorkerRequest) (hodei.Worker, error) {
	w, err := m.db.GetWorker(ctx, req.ID)
	return m.live(w), err
}

// scanPage is how many rows are read at once when some of them may have to be
// left out.
const scanPage = 200

// listWorkers reads as many rows as it takes to fill the page, because the
// state that is asked for is the worker's own word, which the record follows
// and which alone tells BUSY from AVAILABLE.
func (m *Manager) listWorkers(ctx context.Context, req schemas.ListWorkersRequest) (schemas.List[hodei.Worker], error) {
	size := req.Size()
	out := schemas.List[hodei.Worker]{Items: []hodei.Worker{}}
	filter, page := postgres.WorkerFilter{Type: req.Type}, postgres.Page{Cursor: req.Cursor, Size: size}
	if req.Status != nil {
		status := recorded(*req.Status)
		filter.Status, page.Size = &status, max(size, scanPage)
	}
	for fill := (postgres.Fill{}); ; {
		rows, next, err := m.db.ListWorkers(ctx, filter, page)
		if err != nil {
			return out, err
		}
		for _, w := range rows {
			if w = m.live(w); req.Status != nil && w.Status != *req.Status {
				continue
			}
			fits, err := fill.Takes(w)
			if err != nil {
				return out, err
			}
			if !fits || len(out.Items) == size {
				last := out.Items[len(out.Items)-1].ID.String()
				out.NextCursor = &last
				return out, nil
			}
			out.Items = append(out.Items, w)
		}
		if next == nil || req.Status == nil {
			out.NextCursor = next
			return out, nil
		}
		page.Cursor = *next
	}
}

// live lays the worker's own word over its record.
func (m *Manager) live(w hodei.Worker) hodei.Worker {
	known, ok := m.fleet.get(w.ID)
	if w.Status == hodei.WorkerOffline || w.Status == hodei.WorkerTerminated {
		w.Capacity = 0
		return w
	}
	if !ok || known.word.WorkerID.IsZero() {
		return w
	}
	w.Status, w.Capacity, w.Running = known.word.Status, known.word.Free, len(known.word.Running)
	if !known.heard.IsZero() {
		heard := known.heard.UTC()
		w.LastSeenAt = &heard
	}
	if known.latency > 0 {
		seconds := known.latency.Seconds()
		w.AckLatencySeconds = &seconds
	}
	return w
}
