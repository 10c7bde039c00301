package worker

import (
	"context"
	"errors"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/batch"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
	"github.com/hodei-jobs/hodei/worker/joblog"
)

// report sends the end of an execution when its log is stored, until the end is
// recorded or refused for good. It gives up when ctx is done.
func (w *Worker) report(ctx context.Context, r *run, end hodei.Outcome) {
	log := w.log.With("execution_id", r.req.ExecutionID)
	var effort effort
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		w.awaitStored(ctx, r.journal)
		if ctx.Err() != nil {
			return struct{}{}, backoff.Permanent(ctx.Err())
		}
		answer, err := w.ends.Do(ctx, schemas.End{ExecutionID: r.req.ExecutionID, Outcome: end, Final: effort.spent()})
		switch {
		case err != nil:
			return struct{}{}, rpc.Final(err)
		case len(answer.Missing) > 0:
			effort.add(r.journal.Unstored())
			log.Warn("recorded lines are missing", "missing", answer.Missing[:min(len(answer.Missing), 3)], "unstored_chunks", effort.unstored)
			return struct{}{}, errMissing
		}
		return struct{}{}, nil
	}, rpc.Patience(), backoff.WithMaxElapsedTime(0), backoff.WithNotify(func(err error, in time.Duration) {
		log.Debug("end not recorded yet", "again_in", in, "err", err)
	}))
	switch {
	case err == nil:
		log.Info("execution ended", "status", end.Status, "lines", end.LogCount)
	case ctx.Err() == nil:
		log.Warn("end refused, dropped", "err", err)
	}
}

// sendEnds reports the ends that came while others were being reported, in one request.
func (w *Worker) sendEnds(ctx context.Context, ends []schemas.End) ([]batch.Answer[schemas.Finished], error) {
	ctx, cancel := context.WithTimeout(ctx, rpc.DefaultTimeout)
	defer cancel()
	req := schemas.FinishRequest{WorkerID: w.id, Ends: ends}
	req.Free, req.Revision = w.slots.current()
	reply, err := rpc.Call(ctx, w.cfg.NATS, schemas.FinishExecutions, req)
	if err != nil {
		return nil, err
	}
	return batch.Answers(len(ends), reply.Get), nil
}

var errMissing = errors.New("recorded lines are missing")

// effort bounds the work for the log of an ended execution. It counts only
// answers of the worker manager, so that an outage of the record loses no log.
type effort struct {
	answers  int // consecutive answers that lines are missing, without a stored chunk in between
	unstored int // chunks at the last of them
}

func (e *effort) add(unstored int) {
	if unstored < e.unstored {
		e.answers = 0
	}
	e.answers, e.unstored = e.answers+1, unstored
}

// spent reports whether the end is to be recorded without the missing lines. A
// worker without chunks can do nothing about them, so one more check of the
// manager is enough.
func (e *effort) spent() bool {
	return e.answers > 0 && e.unstored == 0 || e.answers >= 3
}

// How long the chunks of an ended execution may make no progress before the
// worker requests the end: longer than it takes to resend a lost chunk, plus
// the answers that effort waits for.
const (
	stalled            = 10 * time.Second
	stalledTerminating = 2 * time.Second
)

// awaitStored returns when the log is stored, makes no progress, or ctx is
// done.
func (w *Worker) awaitStored(ctx context.Context, j *joblog.Journal) {
	for {
		before := j.Unstored()
		limit, terminate := stalled, w.terminate
		select {
		case <-terminate:
			limit, terminate = stalledTerminating, nil
		default:
		}
		late := time.NewTimer(limit)
		select {
		case <-j.Settled():
			late.Stop()
			return
		case <-ctx.Done():
			late.Stop()
			return
		case <-terminate: // less time from now on
			late.Stop()
		case <-late.C:
			if j.Unstored() >= before {
				return
			}
		}
	}
}
