package scheduler

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/postgres"
	"github.com/hodei-jobs/hodei/schemas"
	"github.com/hodei-jobs/hodei/services/scheduler/plan"
)

// schedule finds a worker for a pending execution within the time that the
// request allows, or leaves it queued.
func (s *Scheduler) schedule(ctx context.Context, req schemas.ScheduleRequest) (schemas.Decision, error) {
	e, err := s.wanted(ctx, req)
	if err != nil {
		return schemas.Decision{}, err
	}
	if req.DryRun {
		return s.explain(ctx, req, e), nil
	}
	if s.queue.len() >= s.cfg.MaxQueue {
		return s.reject(ctx, e, fmt.Sprintf("the queue is full: %d executions wait", s.queue.len()))
	}
	var candidates []schemas.Candidate
	if !req.Brief {
		candidates = s.explain(ctx, req, e).Candidates // before the choice changes them
	}
	if e, err = s.queue.push(e); err != nil {
		return schemas.Decision{}, err
	}
	if r, ok := await(ctx, e, req.Wait()); ok && !r.withdrawn {
		r.decision.Candidates = listed(candidates)
		return r.decision, r.err
	}
	return s.unanswered(ctx, req, e, candidates)
}

// await waits for the result of an entry, unless too many requests wait already.
func await(ctx context.Context, e *entry, patience time.Duration) (r result, ok bool) {
	var hungUp <-chan struct{}
	if patience > 0 {
		var may bool
		if hungUp, may = rpc.Wait(ctx); !may {
			patience = 0
		}
	}
	wait := time.NewTimer(patience)
	defer wait.Stop()
	select {
	case <-e.done:
		return e.result, true
	case <-ctx.Done():
	case <-hungUp:
	case <-wait.C:
	}
	return r, false
}

// place creates and starts an execution in one commit. It returns REJECTED if no worker is
// free or executions are queued.
func (s *Scheduler) place(ctx context.Context, req schemas.PlaceRequest) (schemas.Assignment, error) {
	if waiting, _ := s.queue.size(); waiting > 0 {
		return schemas.Assignment{}, hodei.Errorf(hodei.Rejected, "Not placed: %d executions wait", waiting)
	}
	wants := plan.Request{ID: req.ExecutionID, Requirements: req.Spec.Requirements}
	w, ok := s.fleet.choose(wants, time.Now())
	if !ok {
		return schemas.Assignment{}, hodei.Errorf(hodei.Rejected, "Not placed: %s", s.fleet.reason(wants, time.Now()).Reason)
	}
	a, err := s.give(wants, w, func() (schemas.Assignment, error) {
		return rpc.Call(context.WithoutCancel(ctx), s.nc, schemas.StartExecution, schemas.StartRequest{PlaceRequest: req, WorkerID: w.WorkerID})
	})
	if err != nil {
		s.queue.wake() // its slots are free again
	}
	return a, err
}

// unanswered leaves the entry queued, or rejects it, after the wait for a worker has ended.
func (s *Scheduler) unanswered(ctx context.Context, req schemas.ScheduleRequest, e *entry, candidates []schemas.Candidate) (schemas.Decision, error) {
	if req.IfNoWorker != schemas.Reject {
		return s.waiting(e, candidates), nil
	}
	reason := s.fleet.reason(e.question(), time.Now()).Reason
	if !s.queue.withdraw(e.req.ID, result{withdrawn: true}) { // being assigned: the result decides
		select {
		case <-e.done:
			if r := e.result; !r.withdrawn {
				r.decision.Candidates = listed(candidates)
				return r.decision, r.err
			}
		case <-ctx.Done():
			return schemas.Decision{}, ctx.Err()
		}
	}
	return s.reject(ctx, e, reason)
}

// reject ends an execution that must not be queued. If it was assigned meanwhile, by name or
// from the queue, reject returns that decision.
func (s *Scheduler) reject(ctx context.Context, e *entry, reason string) (schemas.Decision, error) {
	_, err := rpc.Call(ctx, s.nc, schemas.StopExecution, schemas.StopExecutionRequest{ID: e.req.ID, Reason: hodei.ReasonRejected})
	if errors.Is(err, hodei.Conflict) {
		now, err := s.db.GetExecution(ctx, e.req.ID)
		if err != nil || now.Reason == nil || *now.Reason != hodei.ReasonRejected {
			return schemas.DecisionOf(now), err
		}
	} else if err != nil {
		return schemas.Decision{}, err
	}
	rejected := hodei.Errorf(hodei.Rejected, "Not queued: %s", reason)
	rejected.Resource, rejected.ResourceID = "execution", e.req.ID.String()
	return schemas.Decision{}, rejected
}

func (s *Scheduler) waiting(e *entry, candidates []schemas.Candidate) schemas.Decision {
	position, why := s.queue.position(e), s.fleet.reason(e.question(), time.Now())
	return schemas.Decision{
		ExecutionID: &e.req.ID, Status: hodei.Pending, QueuePosition: &position,
		Reason: &why.Reason, Impossible: why.Impossible,
		Candidates: listed(candidates),
	}
}

// wanted returns the entry for a request, with the requirements of job_config or of the
// record.
func (s *Scheduler) wanted(ctx context.Context, req schemas.ScheduleRequest) (*entry, error) {
	e := newEntry(hodei.ExecutionID{}, hodei.DefaultPriority, hodei.Requirements{}, nil)
	e.asked = true
	if req.ExecutionID != nil {
		id, err := s.db.ExecutionID(ctx, *req.ExecutionID)
		if err != nil {
			return nil, err
		}
		e.req.ID = id
	} else if !req.DryRun || req.JobConfig == nil {
		return nil, hodei.InvalidField("execution_id", "required, unless it is a dry run with a job_config")
	}
	// A brief request with job_config comes from the orchestrator right after its
	// commit, so reading the record would add nothing.
	if req.ExecutionID != nil && !(req.Brief && req.JobConfig != nil) {
		recorded, err := s.db.GetExecution(ctx, e.req.ID)
		if err != nil {
			return nil, err
		}
		if recorded.Status != hodei.Pending && !req.DryRun {
			return nil, hodei.Errorf(hodei.Conflict, "Execution is %s, not PENDING", recorded.Status)
		}
		if recorded.Held() && !req.DryRun {
			return nil, hodei.Errorf(hodei.Conflict, "Execution must not start before %s", recorded.NotBefore.UTC().Format(time.RFC3339))
		}
		e.priority, e.req.Requirements, e.notBefore = recorded.Priority, recorded.Requirements, recorded.NotBefore
	}
	if cfg := req.JobConfig; cfg != nil {
		needs, err := schemas.Needs(cfg.Type, cfg.Requirements)
		if err != nil {
			return nil, err
		}
		if cfg.Type != nil || cfg.Requirements != nil {
			e.req.Requirements = needs
		}
		if cfg.Priority != nil {
			e.priority = *cfg.Priority
		}
	}
	return e, nil
}

// explain returns the decision and the verdict on every worker. It changes nothing. A caller who
// is limited to pipelines gets no verdicts, because workers belong to no pipeline.
func (s *Scheduler) explain(ctx context.Context, req schemas.ScheduleRequest, e *entry) schemas.Decision {
	verdicts, d := s.fleet.explain(e.question(), time.Now())
	out := schemas.Decision{Status: hodei.Pending, DryRun: true, Candidates: []schemas.Candidate{}}
	if req.ExecutionID != nil {
		out.ExecutionID = &e.req.ID
	}
	if d.Worker != nil {
		out.WorkerID, out.WorkerType = &d.Worker.WorkerID, &d.Worker.Type
	} else {
		out.Reason, out.Impossible = &d.Reason, d.Impossible
	}
	if hodei.PipelinesOf(ctx) != nil {
		return out
	}
	for _, v := range verdicts {
		out.Candidates = append(out.Candidates, candidate(v))
	}
	return out
}

func candidate(v plan.Verdict) schemas.Candidate {
	c := schemas.Candidate{WorkerID: v.Worker.WorkerID, Type: v.Worker.Type, Criteria: map[string]float64{}}
	if v.Excluded != "" {
		c.Excluded = &v.Excluded
		return c
	}
	c.Score = &v.Score
	c.Criteria["load"], c.Criteria["latency"], c.Criteria["success"] = v.Load, v.Latency, v.Success
	return c
}

func listed(c []schemas.Candidate) []schemas.Candidate {
	if c == nil {
		return []schemas.Candidate{}
	}
	return c
}

// getQueue returns the head of the queue from the record, with the reasons of this instance.
func (s *Scheduler) getQueue(ctx context.Context, req schemas.GetQueueRequest) (schemas.QueueList, error) {
	limit := schemas.Page{Limit: req.Limit}.Size()
	now := time.Now().UTC()
	pending, err := s.db.ListWaiting(ctx, now.Add(time.Minute), s.cfg.Ageing, limit)
	if err != nil {
		return schemas.QueueList{}, err
	}
	out := schemas.QueueList{Items: []schemas.QueueEntry{}, Total: len(pending)}
	fill := postgres.Fill{}
	for i, e := range pending {
		entry := schemas.QueueEntry{
			Position: i + 1, ExecutionID: e.ID, JobID: e.JobID, Priority: e.Priority,
			AgeSeconds: now.Sub(e.CreatedAt).Seconds(), Requirements: e.Requirements, CreatedAt: e.CreatedAt,
		}
		why := s.fleet.reason(plan.Request{ID: e.ID, Requirements: e.Requirements}, now)
		entry.Reason, entry.Impossible = why.Reason, why.Impossible
		fits, err := fill.Takes(entry)
		if err != nil {
			return out, err
		}
		if !fits {
			break // the rest is counted in Total
		}
		out.Items = append(out.Items, entry)
	}
	if len(pending) == limit {
		if out.Total, err = s.db.CountPending(ctx); err != nil {
			return out, err
		}
	}
	return out, nil
}
