package workermanager

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/postgres"
	"github.com/hodei-jobs/hodei/schemas"
)

// commandHolds is how long a worker may take to answer a command.
const commandHolds = 5 * time.Second

func (m *Manager) drainWorker(ctx context.Context, req schemas.DrainWorkerRequest) (hodei.Worker, error) {
	return m.command(ctx, req.ID, schemas.CommandWorkerRequest{Do: schemas.Drain, DeadlineSeconds: req.DeadlineSeconds}, hodei.WorkerDraining)
}

func (m *Manager) resumeWorker(ctx context.Context, req schemas.ResumeWorkerRequest) (hodei.Worker, error) {
	return m.command(ctx, req.ID, schemas.CommandWorkerRequest{Do: schemas.Resume}, hodei.WorkerAvailable)
}

func (m *Manager) cordonWorker(ctx context.Context, req schemas.CordonWorkerRequest) (hodei.Worker, error) {
	return m.cordon(ctx, req.ID, true)
}

func (m *Manager) uncordonWorker(ctx context.Context, req schemas.UncordonWorkerRequest) (hodei.Worker, error) {
	return m.cordon(ctx, req.ID, false)
}

// cordon records whether a worker is cordoned, and commands the worker. One that
// does not answer gets the command from the reconciler, or as it registers.
func (m *Manager) cordon(ctx context.Context, id hodei.WorkerID, cordoned bool) (hodei.Worker, error) {
	row, err := m.db.CordonWorker(ctx, id, cordoned)
	if err != nil {
		return row, err
	}
	report, err := m.sendCommand(ctx, id, cordonCommand(cordoned))
	if err != nil {
		m.log.WarnContext(ctx, "cordon recorded; the worker does not answer", "worker_id", id, "cordoned", cordoned, "err", err)
		return m.live(row), nil
	}
	return m.agreed(ctx, report)
}

func cordonCommand(cordoned bool) schemas.CommandWorkerRequest {
	if cordoned {
		return schemas.CommandWorkerRequest{Do: schemas.Cordon}
	}
	return schemas.CommandWorkerRequest{Do: schemas.Uncordon}
}

// command sends a command that changes a worker's status. The worker decides;
// command records the status of its answer before it returns.
func (m *Manager) command(ctx context.Context, id hodei.WorkerID, req schemas.CommandWorkerRequest, to hodei.WorkerStatus) (hodei.Worker, error) {
	row, err := m.db.GetWorker(ctx, id)
	if err != nil {
		return row, err
	}
	if row.Status == hodei.WorkerTerminated || row.Status != to && !hodei.WorkerTransitions.Allows(row.Status, to) {
		return row, hodei.Errorf(hodei.Conflict, "Worker is %s and cannot become %s", row.Status, to)
	}
	report, err := m.sendCommand(ctx, id, req)
	if errors.Is(err, nats.ErrNoResponders) {
		return row, &hodei.Error{Code: hodei.Conflict, Message: "Worker is not connected", Resource: id.Noun(), ResourceID: id.String()}
	} else if err != nil {
		return row, err
	}
	return m.agreed(ctx, report)
}

// agreed records the report with which a worker answered a command, and returns
// the worker. By now it may have left.
func (m *Manager) agreed(ctx context.Context, report hodei.Availability) (hodei.Worker, error) {
	now := time.Now().UTC()
	_, err := m.db.FollowWorker(ctx, postgres.Following{
		ID: report.WorkerID, Incarnation: report.Incarnation, Status: recordedStatus(report.Status), Revision: report.Revision, ReceivedAt: &now, Back: true,
	})
	if err != nil {
		return hodei.Worker{}, err
	}
	m.fleet.receive(report, true, now)
	row, err := m.db.GetWorker(ctx, report.WorkerID)
	return m.live(row), err
}

// terminateWorker makes a worker kill its executions and leave. A worker that
// is not connected is recorded as TERMINATED, and receives the command if it
// returns; its executions end after the usual silence.
func (m *Manager) terminateWorker(ctx context.Context, req schemas.TerminateWorkerRequest) (hodei.Worker, error) {
	row, err := m.db.GetWorker(ctx, req.ID)
	if err != nil {
		return row, err
	}
	report, err := m.sendCommand(ctx, req.ID, schemas.CommandWorkerRequest{Do: schemas.Terminate})
	switch {
	case err == nil:
		return m.agreed(ctx, report)
	case errors.Is(err, nats.ErrNoResponders), row.Status == hodei.WorkerOffline:
		row, err = m.db.ChangeWorker(ctx, req.ID, hodei.WorkerTerminated)
		return m.live(row), err
	}
	return row, err
}

// terminateReturned terminates a worker that was terminated while it was not
// connected.
func (m *Manager) terminateReturned(ctx context.Context, id hodei.WorkerID) {
	_, err := m.sendCommand(ctx, id, schemas.CommandWorkerRequest{Do: schemas.Terminate})
	if err != nil && !errors.Is(err, nats.ErrNoResponders) { // no responders: it is leaving
		m.log.WarnContext(ctx, "terminate command not delivered", "worker_id", id, "err", err)
	}
}

// sendCommand sends a command to a worker and returns the report of its answer.
func (m *Manager) sendCommand(ctx context.Context, id hodei.WorkerID, req schemas.CommandWorkerRequest) (hodei.Availability, error) {
	ctx, cancel := context.WithTimeout(ctx, commandHolds)
	defer cancel()
	return rpc.CallWorker(ctx, m.nc, schemas.CommandWorker, id, req)
}
