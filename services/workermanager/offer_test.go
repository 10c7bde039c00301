package workermanager

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
)

// assigns has the service assign executions to the worker, as the scheduler does.
func (h *hand) assigns(ids ...hodei.ExecutionID) (schemas.Results[schemas.Assignment], error) {
	return ask(h.b, schemas.AssignExecutions, schemas.AssignExecutionsRequest{WorkerID: h.id, ExecutionIDs: ids})
}

// TestAssignmentsShareARequest: they are one offer, and each has a result of its own, in
// the order of the request.
func TestAssignmentsShareARequest(t *testing.T) {
	t.Parallel()
	b := start(t)
	h := b.worker()
	full := schemas.RefusedFull
	running, first, refused, last := h.given(), b.pending(), b.pending(), b.pending()
	h.mu.Lock()
	before := len(h.together)
	h.offer = func(req schemas.ExecutionRequest) schemas.Acceptance {
		now := time.Now().UTC()
		return schemas.Acceptance{Accepted: req.ExecutionID != refused.ID, Refused: &full, StartedAt: &now, Free: 2, Revision: 8}
	}
	h.mu.Unlock()
	unknown := hodei.ExecutionID(uuid.Must(uuid.NewV7()))
	ids := []hodei.ExecutionID{first.ID, running.ID, refused.ID, unknown, first.ID, last.ID}
	reply, err := h.assigns(ids...)
	require.NoError(t, err)
	for i, want := range []error{nil, hodei.Conflict, hodei.Rejected, hodei.NotFound, hodei.Conflict, nil} {
		a, err := reply.Get(i)
		require.ErrorIs(t, err, want, "entry %d", i)
		if err == nil {
			require.Equal(t, ids[i], a.ExecutionID)
			require.Equal(t, h.id, a.WorkerID)
			require.Equal(t, 2, a.Free)
		}
	}
	require.Equal(t, []int{3}, h.together[before:])
	require.Equal(t, hodei.Running, b.execution(first.ID).Status)
	require.Equal(t, hodei.Running, b.execution(last.ID).Status)
	require.Equal(t, hodei.Pending, b.execution(refused.ID).Status)

	_, err = ask(b, schemas.AssignExecutions, schemas.AssignExecutionsRequest{WorkerID: h.id})
	require.ErrorIs(t, err, hodei.Invalid)
	_, err = ask(b, schemas.AssignExecutions, schemas.AssignExecutionsRequest{WorkerID: b.registered().id, ExecutionIDs: ids})
	require.ErrorIs(t, err, hodei.Unavailable, "a worker that has not reported is not connected")
}

// TestASilentWorkerDelaysNoOther: what is offered to it meanwhile waits for its answer;
// other workers get their offers.
func TestASilentWorkerDelaysNoOther(t *testing.T) {
	t.Parallel()
	b := start(t, func(c *Config) { c.OfferHolds = time.Minute })
	silent, other := b.worker(), b.worker()
	gate, offered := make(chan struct{}), make(chan struct{}, 3)
	silent.offer = func(schemas.ExecutionRequest) schemas.Acceptance {
		offered <- struct{}{}
		<-gate
		now := time.Now().UTC()
		return schemas.Acceptance{Accepted: true, StartedAt: &now}
	}
	answered := make(chan error, 2)
	assign := func(ids ...hodei.ExecutionID) {
		reply, err := silent.assigns(ids...)
		for i := range ids {
			if err == nil {
				_, err = reply.Get(i)
			}
		}
		answered <- err
	}
	one, two, three := b.pending(), b.pending(), b.pending()
	go assign(one.ID)
	<-offered
	go assign(two.ID, three.ID)
	b.until("the others are assigned", func() bool { return b.execution(three.ID).Status == hodei.Running })
	reply, err := other.assigns(b.pending().ID)
	require.NoError(t, err)
	_, err = reply.Get(0)
	require.NoError(t, err)
	require.Empty(t, answered)
	require.Empty(t, offered)
	close(gate)
	for range cap(answered) {
		require.NoError(t, <-answered)
	}
	require.Equal(t, []int{1, 2}, silent.together)
}

// TestAnOfferThatIsTooLateIsNotSent: it has waited for the answer to an earlier one, and
// its execution has certainly not started.
func TestAnOfferThatIsTooLateIsNotSent(t *testing.T) {
	t.Parallel()
	b := start(t)
	h := b.worker()
	late, fine := b.pending(), b.pending()
	offer := func(e hodei.Execution, in time.Duration) schemas.ExecutionRequest {
		return schemas.ExecutionRequest{ExecutionID: e.ID, Spec: e.Spec, Incarnation: h.report.Incarnation, Deadline: time.Now().Add(in)}
	}
	answers := b.requests.DoAll(t.Context(), h.id, []schemas.ExecutionRequest{offer(late, 0), offer(fine, time.Minute)})
	require.True(t, turnedAway(answers[0].Err), answers[0].Err)
	require.NoError(t, answers[1].Err)
	require.True(t, answers[1].Value.Accepted)
	require.Len(t, h.offers, 1)
	require.Equal(t, fine.ID, h.offers[0].ExecutionID)
}

// TestOffersAreNotRepeated: after an answer that is lost or an internal error of the
// worker, an execution may have started.
func TestOffersAreNotRepeated(t *testing.T) {
	t.Parallel()
	b := start(t)
	h := b.worker()
	h.offer = func(schemas.ExecutionRequest) schemas.Acceptance { panic("on purpose") }
	one, two := b.pending(), b.pending()
	reply, err := h.assigns(one.ID, two.ID)
	require.NoError(t, err)
	for i, e := range []hodei.Execution{one, two} {
		_, err := reply.Get(i)
		require.ErrorIs(t, err, hodei.Timeout)
		require.Equal(t, hodei.Running, b.execution(e.ID).Status, "the worker's report decides")
	}
	require.Equal(t, []int{2}, h.together)
}
