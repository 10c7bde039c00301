package workermanager

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/postgres"
	"github.com/hodei-jobs/hodei/schemas"
)

// brief gives offers a short deadline.
func brief(cfg *Config) { cfg.OfferHolds = 250 * time.Millisecond }

func (b *bench) assignTo(e hodei.Execution, h *hand) (schemas.Assignment, error) {
	return ask(b, schemas.AssignExecution, schemas.AssignRequest{ExecutionID: hodei.RefTo(e.ID), WorkerID: &h.id, Scheduled: true})
}

func TestAssignAccepted(t *testing.T) {
	t.Parallel()
	b := start(t)
	h := b.worker()
	e := b.pending()
	a, err := b.assignTo(e, h)
	require.NoError(t, err)
	require.Equal(t, schemas.Assigned, a.Status)
	require.Equal(t, h.id, a.WorkerID)
	require.Equal(t, "shell", a.WorkerType)
	require.Equal(t, 3, a.Free)
	require.EqualValues(t, 7, a.Revision)
	now := b.execution(e.ID)
	require.Equal(t, hodei.Running, now.Status)
	require.Equal(t, h.id, *now.WorkerID)
	started := b.next()
	require.Equal(t, schemas.EventStarted, started.Type, "without one of the assignment before it")
	require.Equal(t, h.id, *started.Execution.WorkerID)
	require.Equal(t, 3, *started.Free)
	require.EqualValues(t, 7, started.Revision)

	offer := h.offers[0]
	require.Equal(t, h.report.Incarnation, offer.Incarnation)
	require.Equal(t, e.Command, offer.Command)
	require.WithinDuration(t, time.Now().Add(b.cfg.OfferHolds), offer.Deadline, b.cfg.OfferHolds)
	w := must(b, schemas.GetWorker, schemas.GetWorkerRequest{ID: h.id})
	require.Positive(t, *w.AckLatencySeconds)

	_, err = b.assignTo(e, h)
	require.ErrorIs(t, err, hodei.Conflict, "it is not PENDING any more")
	require.Len(t, h.offers, 1)
}

// TestRestartableExecutionsHaveAFence: an offer contains the silence after which
// its execution may be started elsewhere, if that is allowed.
func TestRestartableExecutionsHaveAFence(t *testing.T) {
	t.Parallel()
	b := start(t)
	h := b.worker()
	for name, test := range map[string]struct {
		retries *hodei.Retries
		attempt int
		fenced  bool
	}{
		"no policy":         {nil, 1, false},
		"never again":       {&hodei.Retries{Max: 0}, 1, false},
		"one left":          {&hodei.Retries{Max: 1}, 1, true},
		"the last of three": {&hodei.Retries{Max: 2}, 3, false},
	} {
		t.Run(name, func(t *testing.T) {
			draft := hodei.Execution{Attempt: test.attempt}
			draft.Command, draft.Environment, draft.Retries = hodei.Command{Shell: "true"}, map[string]string{}, test.retries
			e, err := b.db.CreateExecution(t.Context(), draft)
			require.NoError(t, err)
			_, err = b.assignTo(e, h)
			require.NoError(t, err)
			if after := h.offers[len(h.offers)-1].LostAfterSeconds; test.fenced {
				require.Equal(t, b.cfg.LostAfter.Seconds(), *after)
			} else {
				require.Nil(t, after)
			}
		})
	}
}

func TestAssignRefusedGoesBackToTheQueue(t *testing.T) {
	t.Parallel()
	b := start(t)
	h := b.worker()
	h.offer = func(schemas.ExecutionRequest) schemas.Acceptance {
		full := schemas.RefusedFull
		return schemas.Acceptance{Refused: &full}
	}
	e := b.pending()
	_, err := b.assignTo(e, h)
	require.ErrorIs(t, err, hodei.Rejected)
	require.ErrorContains(t, err, "FULL")
	now := b.execution(e.ID)
	require.Equal(t, hodei.Pending, now.Status)
	require.Nil(t, now.WorkerID)
	require.Nil(t, now.StartedAt)
	assigned := b.event(schemas.EventAssigned).Execution
	require.Equal(t, h.id, *assigned.WorkerID, "the record had the assignment")
	require.Equal(t, e.ID, b.event(schemas.EventRequeued).Execution.ID)
}

// draft describes an execution that does not exist.
func (b *bench) draft(h *hand) schemas.StartRequest {
	return schemas.StartRequest{WorkerID: h.id, PlaceRequest: schemas.PlaceRequest{
		ExecutionID: postgres.NewExecutionID(b.t.Context()),
		Spec: hodei.Spec{
			Command: hodei.Command{Shell: "true"}, Environment: map[string]string{}, Priority: 5, Requirements: hodei.Requirements{Capacity: 1},
		},
	}}
}

// TestStart: the execution is created with its assignment, with the events of
// both steps.
func TestStart(t *testing.T) {
	t.Parallel()
	b := start(t)
	h := b.worker()
	req := b.draft(h)
	a := must(b, schemas.StartExecution, req)
	require.Equal(t, h.id, a.WorkerID)
	require.Equal(t, req.ExecutionID, a.ExecutionID)
	require.EqualValues(t, 7, a.Revision)
	now := b.execution(req.ExecutionID)
	require.Equal(t, hodei.Running, now.Status)
	require.Equal(t, req.Spec, now.Spec)
	require.Equal(t, req.Spec.Command, h.offers[0].Command)
	require.Equal(t, h.report.Incarnation, h.offers[0].Incarnation)
	created := b.event(schemas.EventCreated).Execution
	require.Equal(t, hodei.Running, created.Status, "it was never PENDING, so no scheduler queues it")
	require.Equal(t, h.id, *created.WorkerID)
	began := b.next()
	require.Equal(t, schemas.EventStarted, began.Type)
	require.Equal(t, 3, *began.Free)

	_, err := ask(b, schemas.StartExecution, req)
	require.ErrorIs(t, err, hodei.Conflict, "it is recorded")
	require.Len(t, h.offers, 1)
}

func TestStartRefused(t *testing.T) {
	t.Parallel()
	b := start(t)
	h := b.worker()
	full := schemas.RefusedFull
	h.offer = func(schemas.ExecutionRequest) schemas.Acceptance { return schemas.Acceptance{Refused: &full} }
	req := b.draft(h)
	_, err := ask(b, schemas.StartExecution, req)
	require.ErrorIs(t, err, hodei.Rejected)
	require.Equal(t, hodei.Pending, b.execution(req.ExecutionID).Status, "it waits, as any other")
	require.Equal(t, req.ExecutionID, b.event(schemas.EventAssigned).Execution.ID)
	require.Equal(t, req.ExecutionID, b.event(schemas.EventRequeued).Execution.ID)
}

// TestStartOnAnUnknownWorker: a failure before the commit has no effect.
func TestStartOnAnUnknownWorker(t *testing.T) {
	t.Parallel()
	b := start(t)
	req := b.draft(b.registered()) // has never reported
	_, err := ask(b, schemas.StartExecution, req)
	require.ErrorIs(t, err, hodei.Unavailable)
	req.WorkerID = hodei.WorkerID(uuid.Must(uuid.NewV7()))
	_, err = ask(b, schemas.StartExecution, req)
	require.ErrorIs(t, err, hodei.NotFound)
	_, err = b.db.GetExecution(t.Context(), req.ExecutionID)
	require.ErrorIs(t, err, hodei.NotFound)
	req = b.draft(b.worker())
	req.JobID = new(hodei.JobID(uuid.Must(uuid.NewV7())))
	_, err = ask(b, schemas.StartExecution, req)
	require.Error(t, err, "its job is gone")
	_, err = b.db.GetExecution(t.Context(), req.ExecutionID)
	require.ErrorIs(t, err, hodei.NotFound)
}

func TestAssignWithoutAConnectedWorker(t *testing.T) {
	t.Parallel()
	b := start(t)
	h := b.worker()
	h.stop()
	e := b.pending()
	_, err := b.assignTo(e, h)
	require.ErrorIs(t, err, hodei.Unavailable)
	require.Equal(t, hodei.Pending, b.execution(e.ID).Status)
	require.Equal(t, e.ID, b.event(schemas.EventRequeued).Execution.ID)

	silent := b.registered() // has never reported
	_, err = b.assignTo(e, silent)
	require.ErrorIs(t, err, hodei.Unavailable)
	silent.id = hodei.WorkerID(uuid.Must(uuid.NewV7()))
	_, err = b.assignTo(e, silent)
	require.ErrorIs(t, err, hodei.NotFound)
	require.Equal(t, hodei.Pending, b.execution(e.ID).Status)
}

// unanswered creates an execution whose offer the worker did not answer.
func (b *bench) unanswered(h *hand) hodei.Execution {
	b.t.Helper()
	h.mu.Lock()
	h.mute = true
	h.mu.Unlock()
	e := b.pending()
	_, err := b.assignTo(e, h)
	require.ErrorIs(b.t, err, hodei.Timeout)
	require.Equal(b.t, h.id, *b.event(schemas.EventAssigned).Execution.WorkerID)
	require.Equal(b.t, hodei.Running, b.execution(e.ID).Status, "it may have started")
	return e
}

func TestUnansweredOfferIsSettledByTheWorkersReport(t *testing.T) {
	t.Parallel()
	t.Run("held", func(t *testing.T) {
		b := start(t, brief)
		h := b.worker()
		e := b.unanswered(h)
		h.reportAfter(func(a *hodei.Availability) { a.Status, a.Running = hodei.WorkerBusy, []hodei.ExecutionID{e.ID} })
		h.keepReporting()
		b.requireStays(e.ID)
	})
	t.Run("not held", func(t *testing.T) {
		b := start(t, brief)
		h := b.worker()
		e := b.unanswered(h)
		b.requireStays(e.ID) // its report is older than the offer
		h.keepReporting()
		now := b.becomes(e.ID, hodei.Pending)
		require.Nil(t, now.WorkerID)
		require.Equal(t, e.ID, b.event(schemas.EventRequeued).Execution.ID)
	})
	t.Run("not held when it spoke, which was before", func(t *testing.T) {
		b := start(t, brief)
		h := b.worker()
		reported := time.Now().Add(-time.Second)
		e := b.unanswered(h)
		b.never("a report that comes late takes it back", 8*b.cfg.OfferHolds, func() bool {
			h.mu.Lock()
			h.report.Revision++
			report := h.report
			h.mu.Unlock()
			report.At = reported
			require.NoError(t, b.bucket.Put(t.Context(), report))
			return b.execution(e.ID).Status != hodei.Running
		})
		h.keepReporting()
		b.becomes(e.ID, hodei.Pending)
	})
	t.Run("not held and cancelled meanwhile", func(t *testing.T) {
		b := start(t, brief)
		h := b.worker()
		e := b.unanswered(h)
		must(b, schemas.StopExecution, schemas.StopExecutionRequest{ID: e.ID})
		h.keepReporting()
		require.Equal(t, hodei.ReasonCancelled, *b.becomes(e.ID, hodei.Cancelled).Reason)
	})
	t.Run("not held by a worker that gave up reporting its end", func(t *testing.T) {
		b := start(t, brief)
		h := b.worker()
		e := h.given()
		h.reportAfter(func(a *hodei.Availability) { a.Status, a.Running = hodei.WorkerTerminating, nil })
		h.keepReporting()
		b.never("it would start twice", 8*b.cfg.OfferHolds, func() bool { return b.execution(e.ID).Status != hodei.Running })
		must(b, schemas.LeaveWorker, schemas.LeaveRequest{WorkerID: h.id, Incarnation: h.latest().Incarnation})
		require.Equal(t, hodei.ReasonWorkerLost, *b.becomes(e.ID, hodei.Failed).Reason)
	})
	t.Run("another process", func(t *testing.T) {
		b := start(t, brief)
		h := b.worker()
		e := b.unanswered(h)
		h.reportAfter(func(a *hodei.Availability) { a.Incarnation = uuid.NewString() })
		h.keepReporting()
		require.Equal(t, hodei.ReasonWorkerLost, *b.becomes(e.ID, hodei.Failed).Reason)
	})
}

func TestAssignOfACancelledExecutionEndsIt(t *testing.T) {
	t.Parallel()
	b := start(t)
	h := b.worker()
	e := b.pending()
	_, err := b.db.RequestCancel(t.Context(), e.ID) // as when its manager died while re-queueing it
	require.NoError(t, err)
	_, err = b.assignTo(e, h)
	require.ErrorIs(t, err, hodei.Conflict)
	require.Equal(t, hodei.Cancelled, b.execution(e.ID).Status)
	require.Empty(t, h.offers)
}

func TestAssignByNameEndsTheDraining(t *testing.T) {
	t.Parallel()
	b := start(t)
	h := b.worker()
	h.given()
	must(b, schemas.DrainWorker, schemas.DrainWorkerRequest{ID: h.id})
	h.reportAfter(func(a *hodei.Availability) { a.Status = hodei.WorkerDraining })
	refused := schemas.RefusedDraining
	h.offer = func(schemas.ExecutionRequest) schemas.Acceptance { return schemas.Acceptance{Refused: &refused} }
	e := b.pending()
	_, err := b.assignTo(e, h)
	require.ErrorIs(t, err, hodei.Rejected, "the scheduler's choice was out of date")
	require.Equal(t, []string{schemas.Drain}, h.commanded())

	h.offer = nil
	a := must(b, schemas.AssignExecution, schemas.AssignRequest{ExecutionID: hodei.RefTo(e.ID), WorkerID: &h.id})
	require.Equal(t, h.id, a.WorkerID)
	require.Equal(t, []string{schemas.Drain, schemas.Resume}, h.commanded())
	h.reportAfter(func(a *hodei.Availability) { a.Status = hodei.WorkerBusy })
	b.records(h.id, hodei.WorkerBusy)

	h.reportAfter(func(a *hodei.Availability) { a.Status = hodei.WorkerDraining })
	b.records(h.id, hodei.WorkerDraining)
	h.refuse = hodei.Errorf(hodei.Conflict, "Worker is being stopped")
	e = b.pending()
	_, err = ask(b, schemas.AssignExecution, schemas.AssignRequest{ExecutionID: hodei.RefTo(e.ID), WorkerID: &h.id})
	require.ErrorIs(t, err, hodei.Conflict)
	require.Equal(t, hodei.Pending, b.execution(e.ID).Status)
}
