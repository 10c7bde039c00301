package workermanager

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/postgres"
)

// reconcile declares silent workers lost and settles executions of which the
// record and their worker say different things. Several instances may do it at
// once: each step is a guarded change.
func (m *Manager) reconcile(ctx context.Context) error {
	if !m.nc.IsConnected() {
		m.fleet.excuse(time.Now()) // nobody can be heard
		return nil
	}
	for _, id := range m.fleet.silent(time.Now().Add(-m.cfg.LostAfter)) {
		if err := m.declareLost(ctx, id); err != nil {
			return err
		}
	}
	held, err := m.db.ListHeld(ctx, time.Now().Add(-2*offerHolds))
	if err != nil {
		return err
	}
	for _, h := range held {
		if err := m.settle(ctx, h); err != nil && !errors.Is(err, hodei.Conflict) {
			m.log.WarnContext(ctx, "execution not settled", "execution_id", h.ID, "err", err)
		}
	}
	return nil
}

func (m *Manager) declareLost(ctx context.Context, id hodei.WorkerID) error {
	m.log.WarnContext(ctx, "worker lost", "worker_id", id, "silent_for", m.cfg.LostAfter)
	if _, err := m.db.ChangeWorker(ctx, id, hodei.WorkerOffline); err != nil && !errors.Is(err, hodei.Conflict) && !errors.Is(err, hodei.NotFound) {
		return err
	}
	return m.lose(ctx, id, "")
}

// settle compares one RUNNING execution with its worker's own word.
func (m *Manager) settle(ctx context.Context, h postgres.Held) error {
	worker, known := m.fleet.get(h.WorkerID)
	switch {
	case !known:
		m.fleet.expect(h.WorkerID, time.Now()) // silent from now on, or heard
		return nil
	case worker.lost:
		return m.lose(ctx, h.WorkerID, "")
	case worker.word.WorkerID.IsZero():
		return nil // not heard yet
	case worker.word.Incarnation != h.WorkerIncarnation:
		return m.lose(ctx, h.WorkerID, worker.word.Incarnation)
	case slices.Contains(worker.word.Running, h.ID):
		if h.CancelRequestedAt != nil {
			m.interrupt(ctx, h.ID, h.WorkerID, hodei.ReasonCancelled)
		}
		return nil
	case worker.heard.Before(h.ScheduledAt.Add(2 * offerHolds)):
		return nil // its word may be older than the offer
	}
	// It has spoken since the offer ended and does not hold it: it never took
	// it, and may not take it any more.
	e, err := m.db.GetExecution(ctx, h.ID)
	if err != nil {
		return err
	}
	m.log.WarnContext(ctx, "execution queued again; its worker never had it", "execution_id", h.ID, "worker_id", h.WorkerID)
	return m.takeBack(ctx, e, h.WorkerID, nil)
}

// welcomeBack takes in a worker that had been given up. What it still runs has
// ended in the record and must stop.
func (m *Manager) welcomeBack(ctx context.Context, word hodei.Availability) {
	m.log.InfoContext(ctx, "worker is back", "worker_id", word.WorkerID)
	if _, err := m.db.ChangeWorker(ctx, word.WorkerID, hodei.WorkerAvailable); err != nil {
		m.log.WarnContext(ctx, "worker not taken back", "worker_id", word.WorkerID, "err", err)
		return
	}
	for _, id := range word.Running {
		e, err := m.db.GetExecution(ctx, id)
		if err == nil && (e.Status != hodei.Running || e.WorkerID == nil || *e.WorkerID != word.WorkerID) {
			m.interrupt(ctx, id, word.WorkerID, hodei.ReasonWorkerLost)
		}
	}
}
