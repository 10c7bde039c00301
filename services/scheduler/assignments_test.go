package scheduler

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/local/localtest"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
)

// TestAssignmentsShareARequest: those that are chosen for a worker while it is given
// others are requested together; another worker does not wait for that.
func TestAssignmentsShareARequest(t *testing.T) {
	nc, _ := localtest.JetStream(t)
	slow, quick := hodei.WorkerID{15: 1}, hodei.WorkerID{15: 2}
	refused := hodei.ExecutionID{15: 3}
	gate, asked := make(chan struct{}), make(chan []hodei.ExecutionID, 10)
	svc := rpc.New(rpc.Config{NATS: nc, Name: schemas.WorkerManager, Log: localtest.Log(t)})
	rpc.Handle(svc, schemas.AssignExecutions, func(_ context.Context, req schemas.AssignExecutionsRequest) (out schemas.Results[schemas.Assignment], err error) {
		if req.WorkerID == slow {
			asked <- req.ExecutionIDs
			<-gate
		}
		for _, id := range req.ExecutionIDs {
			r := schemas.Result[schemas.Assignment]{Value: &schemas.Assignment{ExecutionID: id}}
			if id == refused {
				r = schemas.Result[schemas.Assignment]{Error: hodei.Errorf(hodei.Rejected, "Refused")}
			}
			out.Results = append(out.Results, r)
		}
		return out, nil
	})
	localtest.Run(t, svc.Run, svc.Ready())
	s := New(Config{NATS: nc})
	done := make(chan error, 3)
	assign := func(n byte) {
		a, err := s.assignments.Do(t.Context(), slow, hodei.ExecutionID{15: n})
		if err == nil && a.ExecutionID != (hodei.ExecutionID{15: n}) {
			t.Errorf("%d has the answer of %s", n, a.ExecutionID)
		}
		done <- err
	}
	go assign(1)
	require.Equal(t, []hodei.ExecutionID{{15: 1}}, <-asked, "one alone goes at once")
	go assign(2)
	go assign(3)
	require.Eventually(t, func() bool { return s.assignments.Waiting(slow) == 2 }, 30*time.Second, time.Millisecond)
	_, err := s.assignments.Do(t.Context(), quick, hodei.ExecutionID{15: 9})
	require.NoError(t, err)
	require.Empty(t, done)
	close(gate)
	require.ElementsMatch(t, []hodei.ExecutionID{{15: 2}, {15: 3}}, <-asked)
	failed := 0
	for range cap(done) {
		if err := <-done; err != nil {
			require.ErrorIs(t, err, hodei.Rejected)
			failed++
		}
	}
	require.Equal(t, 1, failed)

	s.leads = func() bool { return false }
	_, err = s.assignments.Do(t.Context(), quick, hodei.ExecutionID{15: 9})
	require.ErrorIs(t, err, errDeposed)
}
