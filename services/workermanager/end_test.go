package workermanager

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
)

// reports reports ends in one request.
func (h *hand) reports(ends ...schemas.End) (schemas.Results[schemas.Finished], error) {
	return ask(h.b, schemas.FinishExecutions, schemas.FinishRequest{WorkerID: h.id, Ends: ends, Free: 4, Revision: 9})
}

// finish reports an end by itself.
func (h *hand) finish(end schemas.End) (schemas.Finished, error) {
	reply, err := h.reports(end)
	if err != nil {
		return schemas.Finished{}, err
	}
	return reply.Get(0)
}

// finishes is finish for an end that must be taken.
func (h *hand) finishes(end schemas.End) schemas.Finished {
	h.b.t.Helper()
	finished, err := h.finish(end)
	require.NoError(h.b.t, err)
	return finished
}

func TestFinishAsksForMissingLinesAndIsRecordedOnce(t *testing.T) {
	t.Parallel()
	b := start(t)
	h := b.worker()
	e := h.given()
	h.printed(e.ID, 1, 10)
	h.printed(e.ID, 21, 30)
	end := h.ended(e.ID, 10, 20, 30, 40)
	answer := h.finishes(end)
	require.Equal(t, []schemas.Span{{ExecutionID: e.ID, First: 11, Last: 20}, {ExecutionID: e.ID, First: 31, Last: 40}}, answer.Missing)
	require.Equal(t, hodei.Running, b.execution(e.ID).Status)

	h.printed(e.ID, 11, 20)
	h.printed(e.ID, 31, 40)
	for range 2 { // the first answer may be lost
		answer = h.finishes(end)
		require.Empty(t, answer.Missing)
		require.Equal(t, hodei.Completed, answer.Status)
	}
	done := b.execution(e.ID)
	require.Equal(t, hodei.Completed, done.Status)
	require.EqualValues(t, 40, done.LogCount)
	event := b.event(schemas.EventCompleted)
	require.Equal(t, e.ID, event.Execution.ID)
	require.Equal(t, 4, *event.Free)

	end.Outcome.Status = hodei.Failed
	_, err := h.finish(end)
	require.ErrorIs(t, err, hodei.Conflict, "an end is final")
}

// TestEndsShareARequest: each entry has a result of its own, in the order of the request.
func TestEndsShareARequest(t *testing.T) {
	t.Parallel()
	b := start(t)
	h, other := b.worker(), b.worker()
	whole, lacks, foreign := h.given(), h.given(), other.given()
	odd, unknown := h.ended(whole.ID, 0), h.ended(hodei.ExecutionID(uuid.Must(uuid.NewV7())), 0)
	odd.Outcome.LogCount = -1
	running := h.ended(lacks.ID, 0)
	running.Outcome.Status = hodei.Running
	h.printed(lacks.ID, 3, 4)
	reply, err := h.reports(odd, h.ended(whole.ID, 0), unknown, h.ended(foreign.ID, 0), h.ended(lacks.ID, 4), h.ended(whole.ID, 0), running)
	require.NoError(t, err)
	for i, want := range []error{hodei.Invalid, nil, hodei.NotFound, hodei.Conflict, nil, nil, hodei.Invalid} {
		finished, err := reply.Get(i)
		require.ErrorIs(t, err, want, "entry %d", i)
		if err == nil && i != 4 {
			require.Equal(t, schemas.Finished{ExecutionID: whole.ID, Status: hodei.Completed, Missing: []schemas.Span{}}, finished)
		}
	}
	missing, _ := reply.Get(4)
	require.Equal(t, []schemas.Span{{ExecutionID: lacks.ID, First: 1, Last: 2}}, missing.Missing)
	require.Equal(t, hodei.Completed, b.execution(whole.ID).Status)
	require.Equal(t, hodei.Running, b.execution(lacks.ID).Status)
	require.Equal(t, hodei.Running, b.execution(foreign.ID).Status)
	_, err = reply.Get(7)
	require.ErrorIs(t, err, hodei.Internal)
}

func TestFinishByAForeignWorkerIsRefused(t *testing.T) {
	t.Parallel()
	b := start(t)
	e := b.worker().given()
	other := b.worker()
	_, err := other.finish(other.ended(e.ID, 0))
	require.ErrorIs(t, err, hodei.Conflict)
	_, err = other.finish(other.ended(hodei.ExecutionID(uuid.Must(uuid.NewV7())), 0))
	require.ErrorIs(t, err, hodei.NotFound)
	require.Equal(t, hodei.Running, b.execution(e.ID).Status)
}

func TestStop(t *testing.T) {
	t.Parallel()
	b := start(t)
	h := b.worker()
	waiting := b.pending()
	e := must(b, schemas.StopExecution, schemas.StopExecutionRequest{ID: waiting.ID})
	require.Equal(t, hodei.Cancelled, e.Status)
	require.Equal(t, waiting.ID, b.event(schemas.EventCancelled).Execution.ID)
	rejected := must(b, schemas.StopExecution, schemas.StopExecutionRequest{ID: b.pending().ID, Reason: hodei.ReasonRejected})
	require.Equal(t, hodei.ReasonRejected, *rejected.Reason)

	running := h.given()
	_, err := ask(b, schemas.StopExecution, schemas.StopExecutionRequest{ID: running.ID, Reason: hodei.ReasonRejected})
	require.ErrorIs(t, err, hodei.Conflict, "only one that waits is rejected")
	e = must(b, schemas.StopExecution, schemas.StopExecutionRequest{ID: running.ID})
	require.Equal(t, hodei.Running, e.Status)
	require.NotNil(t, e.CancelRequestedAt)
	require.Equal(t, running.ID, b.event(schemas.EventCancel).Execution.ID)
	h.awaitInterrupt(running.ID, hodei.ReasonCancelled)

	h.mu.Lock()
	h.interrupted = nil // as if the interrupt was lost: it is repeated
	h.mu.Unlock()
	h.awaitInterrupt(running.ID, hodei.ReasonCancelled)

	end := h.ended(running.ID, 0)
	cancelled := hodei.ReasonCancelled
	end.Outcome.Status, end.Outcome.Reason = hodei.Cancelled, &cancelled
	h.finishes(end)
	_, err = ask(b, schemas.StopExecution, schemas.StopExecutionRequest{ID: running.ID})
	require.ErrorIs(t, err, hodei.Conflict)
}

// TestStopDoesNotWaitForTheWorker, which may be frozen.
func TestStopDoesNotWaitForTheWorker(t *testing.T) {
	t.Parallel()
	b := start(t, func(c *Config) { c.Reconcile = time.Hour })
	h := b.worker()
	running := h.given()
	interrupts := h.frozen()
	e := must(b, schemas.StopExecution, schemas.StopExecutionRequest{ID: running.ID})
	require.NotNil(t, e.CancelRequestedAt)
	_, err := interrupts.NextMsg(30 * time.Second)
	require.NoError(t, err, "it is sent nevertheless")
}

// TestStopForASchedule: overlap: cancel ends what the schedule started, in any state.
func TestStopForASchedule(t *testing.T) {
	t.Parallel()
	b := start(t)
	h := b.worker()
	supersede := func(id hodei.ExecutionID) hodei.Execution {
		return must(b, schemas.StopExecution, schemas.StopExecutionRequest{ID: id, Reason: hodei.ReasonSuperseded})
	}
	waiting := supersede(b.pending().ID)
	require.Equal(t, hodei.Cancelled, waiting.Status)
	require.Equal(t, hodei.ReasonSuperseded, *waiting.Reason)

	running := h.given()
	require.NotNil(t, supersede(running.ID).CancelRequestedAt)
	h.awaitInterrupt(running.ID, hodei.ReasonCancelled)

	failed := h.given()
	h.finishes(h.ended(failed.ID, 0))
	b.exec(`UPDATE executions SET status = 'FAILED', retry_at = now() + interval '1 hour' WHERE id = $1`, failed.ID)
	require.Nil(t, supersede(failed.ID).RetryAt, "a retry that is due is withdrawn")
}
