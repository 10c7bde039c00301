package worker

import (
	"context"
	"time"

	"golang.org/x/time/rate"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
	"github.com/hodei-jobs/hodei/worker/joblog"
	"github.com/hodei-jobs/hodei/worker/joblog/mask"
)

// offer answers an offer. The answer and the start of an accepted execution do
// not wait for each other. The execution ends with ctx.
func (w *Worker) offer(ctx context.Context, req schemas.ExecutionRequest) schemas.Acceptance {
	fence := w.fenceOf(&req)
	return w.slots.take(&req, w.incarnation, w.unable(&req, fence), func(startedAt time.Time) *run {
		ctx, giveUp := context.WithCancel(ctx)
		secrets := &mask.Set{}
		r := &run{
			req: req, startedAt: startedAt, giveUp: giveUp, fence: fence, process: ending{grace: w.cfg.Grace, Process: w.host.New(req.ExecutionID)},
			environment: req.Environment, secrets: secrets, delays: rate.Sometimes{Interval: time.Minute},
			journal: joblog.New(req.ExecutionID, w.spool, w.log, w.logLimit(&req), secrets, w.shipper.Send),
		}
		if req.After != "" {
			r.after = &ending{grace: w.cfg.Grace, Process: w.host.New(req.ExecutionID)}
		}
		w.contact.expect(fence)
		w.slots.runs.Go(func() { defer giveUp(); w.do(ctx, r) })
		return r
	})
}

// unable is why the worker does not begin this whatever slots are free: it is dedicated
// to another type, was without contact for too long, or its disk lacks space. The latter
// is announced.
func (w *Worker) unable(req *schemas.ExecutionRequest, fence *fence) string {
	kind := req.Requirements.Type
	switch {
	case w.cfg.Dedicated && (kind == nil || *kind != w.cfg.Type):
		return schemas.RefusedDedicated
	case w.contact.overdue(fence):
		return schemas.RefusedSilent
	case w.disk.Check() != nil:
		w.slots.announce()
		return schemas.RefusedDisk
	}
	return ""
}

// interrupt stops an execution. One that the record has given up is not
// reported.
func (w *Worker) interrupt(_ context.Context, req schemas.InterruptRequest) (schemas.Empty, error) {
	r := w.slots.get(req.ExecutionID)
	switch {
	case r == nil:
		return schemas.Empty{}, hodei.Missing(req.ExecutionID.Noun(), req.ExecutionID.String())
	case req.Reason == hodei.ReasonCancelled:
		r.process.stop(req.Reason)
	case req.Reason == hodei.ReasonWorkerLost:
		r.abandon()
	default: // other reasons would make the manager restart the execution
		return schemas.Empty{}, hodei.InvalidField("reason", "is neither CANCELLED nor WORKER_LOST")
	}
	return schemas.Empty{}, nil
}

// logLimit is that of the worker, or that of the execution if it is lower.
func (w *Worker) logLimit(req *schemas.ExecutionRequest) joblog.Limit {
	if own := req.LogLimit; own != nil && *own < w.cfg.LogLimit {
		return joblog.Limit{Bytes: *own, Raise: "log_limit of the job"}
	}
	return joblog.Limit{Bytes: w.cfg.LogLimit, Raise: "--log-limit of the worker"}
}
