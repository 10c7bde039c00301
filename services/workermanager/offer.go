package workermanager

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/batch"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
)

// offer offers executions to their worker, unless the deadline has passed, and acts on
// the answers.
func (m *Manager) offer(ctx context.Context, all []hodei.Execution, w hodei.Availability, deadline time.Time) []batch.Answer[schemas.Assignment] {
	ctx = context.WithoutCancel(ctx) // a committed assignment is completed
	began := time.Now()
	offers, unsent := m.offersOf(ctx, all, w, deadline)
	answers := m.requests.DoAll(ctx, w.WorkerID, offers)
	return batch.Answers(len(all), func(i int) (schemas.Assignment, error) {
		if err := unsent[all[i].ID]; err != nil {
			return schemas.Assignment{}, m.notAccepted(ctx, all[i], err)
		}
		answer := answers[0]
		answers = answers[1:]
		return m.offered(ctx, all[i], w, answer, time.Since(began))
	})
}

// offersOf returns the offers in the order of the executions, without those that must
// not be sent.
func (m *Manager) offersOf(ctx context.Context, all []hodei.Execution, w hodei.Availability, deadline time.Time) (offers []schemas.ExecutionRequest, unsent map[hodei.ExecutionID]error) {
	late := !time.Now().Before(deadline)
	for _, e := range all {
		offer := schemas.ExecutionRequest{
			ExecutionID: e.ID, JobID: e.JobID, PipelineID: e.PipelineID, Attempt: e.Attempt,
			Spec: e.Spec, LostAfterSeconds: m.fence(e), Incarnation: w.Incarnation, Deadline: deadline.UTC(),
		}
		var err error = hodei.Errorf(hodei.Unavailable, "The commit took too long")
		if !late {
			err = m.addSecrets(ctx, &offer, e, w)
		}
		if err == nil {
			offers = append(offers, offer)
			continue
		}
		if unsent == nil {
			unsent = map[hodei.ExecutionID]error{}
		}
		unsent[e.ID] = err
	}
	return offers, unsent
}

// offered acts on the answer to an offer.
func (m *Manager) offered(ctx context.Context, e hodei.Execution, w hodei.Availability, answer batch.Answer[schemas.Acceptance], took time.Duration) (schemas.Assignment, error) {
	a, err := answer.Value, answer.Err
	switch {
	case errors.Is(err, nats.ErrNoResponders): // the offer did not arrive anywhere
		return schemas.Assignment{}, m.notAccepted(ctx, e, notConnected(w.WorkerID))
	case turnedAway(err):
		return schemas.Assignment{}, m.notAccepted(ctx, e, hodei.Errorf(hodei.Rejected, "Worker refused: %s", err))
	case err != nil: // it may have started: the worker's report decides
		m.publish(ctx, schemas.Event{Type: schemas.EventAssigned, Execution: e})
		m.log.WarnContext(ctx, "offer not answered", "execution_id", e.ID, "worker_id", w.WorkerID, "err", err)
		return schemas.Assignment{}, hodei.Errorf(hodei.Timeout, "The worker did not answer in time; the execution's record will show whether it started")
	case !a.Accepted:
		why := "no"
		if a.Refused != nil {
			why = *a.Refused
		}
		return schemas.Assignment{}, m.notAccepted(ctx, e, hodei.Errorf(hodei.Rejected, "Worker refused: %s", why))
	}
	m.fleet.accepted(w.WorkerID, took)
	m.publish(ctx, schemas.Event{Type: schemas.EventStarted, Execution: e, Free: &a.Free, Revision: a.Revision})
	return schemas.Assignment{
		WorkerID: w.WorkerID, Status: schemas.Assigned, ExecutionID: e.ID, WorkerType: w.Type,
		StartedAt: *e.StartedAt, Free: a.Free, Revision: a.Revision,
	}, nil
}

// request sends the offers that came while others were sent to the same worker. The
// worker may have started those of a request that failed, so they are sent again only if
// it refused the request as a whole. Those that are too late now are not sent.
func (m *Manager) request(ctx context.Context, id hodei.WorkerID, all []schemas.ExecutionRequest) ([]batch.Answer[schemas.Acceptance], error) {
	answers := make([]batch.Answer[schemas.Acceptance], len(all))
	var req schemas.OfferRequest
	var places []int
	var last time.Time
	for i, o := range all {
		if !time.Now().Before(o.Deadline) {
			answers[i].Err = hodei.Errorf(hodei.Unavailable, "it did not answer earlier offers in time")
			continue
		}
		if o.Deadline.After(last) {
			last = o.Deadline
		}
		req.Offers, places = append(req.Offers, o), append(places, i)
	}
	if len(req.Offers) == 0 {
		return answers, nil
	}
	ctx, cancel := context.WithDeadline(ctx, last)
	defer cancel()
	reply, err := rpc.CallWorker(ctx, m.nc, schemas.RequestExecutions, id, req)
	if len(all) > 1 && (errors.Is(err, hodei.Invalid) || errors.Is(err, hodei.TooLarge)) {
		return nil, err
	}
	for n, i := range places {
		if answers[i].Err = err; err == nil {
			answers[i].Value, answers[i].Err = reply.Get(n)
		}
	}
	return answers, nil
}

// fence returns the silence in seconds after which the execution may be started
// elsewhere, nil if it will not be.
func (m *Manager) fence(e hodei.Execution) *float64 {
	if e.Retries == nil || e.Attempt > e.Retries.Max {
		return nil
	}
	return new(m.cfg.LostAfter.Seconds())
}

// turnedAway reports whether the worker's service refused the offer before the
// worker received it, as a service that is stopping does. Such an error has no
// cause; a transport error has one.
func turnedAway(err error) bool {
	var refusal *hodei.Error
	return errors.As(err, &refusal) && refusal.Err == nil && (refusal.Code == hodei.Unavailable || refusal.Code == hodei.Invalid)
}
