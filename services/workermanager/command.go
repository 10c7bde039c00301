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

// commandHolds is how long a worker may take to answer what it is told.
const commandHolds = 5 * time.Second

func (m *Manager) drainWorker(ctx context.Context, req schemas.DrainWorkerRequest) (hodei.Worker, error) {
	return m.command(ctx, req.ID, schemas.CommandWorkerRequest{Do: schemas.Drain, DeadlineSeconds: req.DeadlineSeconds}, hodei.WorkerDraining)
}

func (m *Manager) resumeWorker(ctx context.Context, req schemas.ResumeWorkerRequest) (hodei.Worker, error) {
	return m.command(ctx, req.ID, schemas.CommandWorkerRequest{Do: schemas.Resume}, hodei.WorkerAvailable)
}

// command has a worker change its state. The worker decides; what it agrees to
// is recorded, and its own word will say the same.
func (m *Manager) command(ctx context.Context, id hodei.WorkerID, req schemas.CommandWorkerRequest, to hodei.WorkerStatus) (hodei.Worker, error) {
	row, err := m.db.GetWorker(ctx, id)
	if err != nil {
		return row, err
	}
	if row.Status == hodei.WorkerTerminated || row.Status != to && !hodei.WorkerTransitions.Allows(row.Status, to) {
		return row, hodei.Errorf(hodei.Conflict, "Worker is %s and cannot become %s", row.Status, to)
	}
	before, _ := m.fleet.get(id)
	if err := m.tellWorker(ctx, id, req); errors.Is(err, nats.ErrNoResponders) {
		return row, hodei.Errorf(hodei.Conflict, "Worker is not connected")
	} else if err != nil {
		return row, err
	}
	return m.agreed(ctx, before, row, to)
}

// agreed records, for the process that was asked, the state that it agreed to,
// and returns the worker with it. By now it may have left.
func (m *Manager) agreed(ctx context.Context, asked member, row hodei.Worker, to hodei.WorkerStatus) (hodei.Worker, error) {
	if asked.incarnation != "" {
		now := time.Now().UTC()
		if _, err := m.db.FollowWorker(ctx, row.ID, asked.incarnation, to, &now, true); err != nil {
			return row, err
		}
	}
	if to == hodei.WorkerAvailable && len(asked.word.Running) > 0 {
		to = hodei.WorkerBusy
	}
	m.fleet.told(row.ID, to)
	row, err := m.db.GetWorker(ctx, row.ID)
	return m.live(row), err
}

// terminateWorker has a worker kill what it runs and leave. One that is not
// there is recorded as TERMINATED, and told so should it come back; what it
// ran ends with the count of its silence.
func (m *Manager) terminateWorker(ctx context.Context, req schemas.TerminateWorkerRequest) (hodei.Worker, error) {
	row, err := m.db.GetWorker(ctx, req.ID)
	if err != nil {
		return row, err
	}
	asked, _ := m.fleet.get(req.ID)
	err = m.tellWorker(ctx, req.ID, schemas.CommandWorkerRequest{Do: schemas.Terminate})
	switch {
	case err == nil:
		return m.agreed(ctx, asked, row, hodei.WorkerTerminating)
	case errors.Is(err, nats.ErrNoResponders), row.Status == hodei.WorkerOffline:
		row, err = m.db.ChangeWorker(ctx, req.ID, hodei.WorkerTerminated)
		return m.live(row), err
	}
	return row, err
}

// terminateReturned terminates a worker that was terminated while it could not
// hear of it.
func (m *Manager) terminateReturned(ctx context.Context, id hodei.WorkerID) {
	err := m.tellWorker(ctx, id, schemas.CommandWorkerRequest{Do: schemas.Terminate})
	if err != nil && !errors.Is(err, nats.ErrNoResponders) { // no responders: it is on its way out
		m.log.WarnContext(ctx, "terminated worker not told", "worker_id", id, "err", err)
	}
}

func (m *Manager) tellWorker(ctx context.Context, id hodei.WorkerID, req schemas.CommandWorkerRequest) error {
	ctx, cancel := context.WithTimeout(ctx, commandHolds)
	defer cancel()
	_, err := rpc.CallWorker(ctx, m.nc, schemas.CommandWorker, id, req)
	return err
}
