package workermanager

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/postgres"
	"github.com/hodei-jobs/hodei/schemas"
)

const (
	// retainEvery is the interval of deletions.
	retainEvery = time.Hour
	// retainBatch is how many executions one statement deletes, retainRuns how many runs,
	// each with up to a thousand jobs.
	retainBatch = 500
	retainRuns  = 50
	// workerKept is how long a worker that has left is kept.
	workerKept = 30 * 24 * time.Hour
)

// retain deletes records older than their retention. Several instances may run it
// at once. A failed step does not prevent the others.
func (m *Manager) retain(ctx context.Context) error {
	return errors.Join(m.keepDays(ctx), m.deleteOldRuns(ctx), m.deleteOldExecutions(ctx), m.deleteOldWorkers(ctx), m.deleteOldNotifications(ctx), m.db.ForgetKeys(ctx))
}

// deleteOldRuns deletes runs before executions, because those of a run stay as long as it does.
func (m *Manager) deleteOldRuns(ctx context.Context) error {
	deleted, err := deleteOld(ctx, m.cfg.ExecutionRetention, retainRuns, m.db.DeleteOldRuns)
	if deleted > 0 {
		m.log.InfoContext(ctx, "old runs deleted", "runs", deleted)
	}
	return err
}

func (m *Manager) deleteOldExecutions(ctx context.Context) error {
	deleted, err := deleteOld(ctx, m.cfg.ExecutionRetention, retainBatch, m.db.DeleteOldExecutions)
	if deleted > 0 {
		m.log.InfoContext(ctx, "old executions deleted", "executions", deleted)
	}
	return err
}

// deleteOld deletes in small batches, each with its own commit, so that locks are short.
func deleteOld[ID ~[16]byte](ctx context.Context, age time.Duration, batch int,
	remove func(context.Context, time.Duration, postgres.Aged[ID], int) (int, postgres.Aged[ID], error)) (total int, err error) {
	if age == 0 {
		return 0, nil
	}
	for from := (postgres.Aged[ID]{}); ctx.Err() == nil; {
		deleted, next, err := remove(ctx, age, from, batch)
		if err != nil {
			return total, err
		}
		total, from = total+deleted, next
		if deleted < batch {
			break
		}
	}
	return total, nil
}

func (m *Manager) deleteOldWorkers(ctx context.Context) error {
	deleted, err := m.db.DeleteOldWorkers(ctx, workerKept)
	if deleted > 0 {
		m.log.InfoContext(ctx, "workers that left long ago deleted", "workers", deleted)
	}
	return err
}

// deleteExecution deletes an ended execution with its log: first the chunks in
// EXECUTION_LOGS, because after the record is deleted a repeated request cannot
// find it.
func (m *Manager) deleteExecution(ctx context.Context, req schemas.DeleteExecutionRequest) (schemas.Empty, error) {
	id, err := m.db.ExecutionID(ctx, req.ID)
	if err != nil {
		return schemas.Empty{}, err
	}
	e, err := m.db.GetExecution(ctx, id)
	if err != nil {
		return schemas.Empty{}, err
	}
	if e.Status.Ended() {
		if err := m.purgeLog(ctx, schemas.LogOf(id)); err != nil {
			return schemas.Empty{}, err
		}
	}
	return schemas.Empty{}, m.db.DeleteExecution(ctx, id)
}

func (m *Manager) purgeLog(ctx context.Context, subject string) error {
	stream, err := m.js.Stream(ctx, schemas.LogStream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil
	}
	if err == nil {
		err = stream.Purge(ctx, jetstream.WithPurgeSubject(subject))
	}
	if err != nil {
		return &hodei.Error{Code: hodei.Unavailable, Message: "NATS cannot delete the log at the moment; try again", Err: err}
	}
	return nil
}

func (m *Manager) deleteWorker(ctx context.Context, req schemas.DeleteWorkerRequest) (schemas.Empty, error) {
	err := m.db.DeleteWorker(ctx, req.ID)
	if err == nil {
		m.fleet.forget(req.ID)
		m.log.InfoContext(ctx, "worker deleted", "worker_id", req.ID)
	}
	return schemas.Empty{}, err
}
