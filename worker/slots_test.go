package worker

import (
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
)

func TestSlotsAreTakenAndFreed(t *testing.T) {
	t.Parallel()
	f := start(t)
	idle := f.availability("idle", func(hodei.Availability) bool { return true })
	require.Equal(t, hodei.WorkerAvailable, idle.Status)
	require.Equal(t, 4, idle.Free)
	require.Equal(t, 4, idle.Slots)
	require.Equal(t, "shell", idle.Type)
	require.Equal(t, f.incarnation, idle.Incarnation)

	gate := fifo(t)
	three := f.request("cat < " + gate)
	three.Requirements.Capacity = 3
	first := f.ask(three)
	require.True(t, first.Accepted)
	require.Equal(t, 1, first.Free)
	require.Greater(t, first.Revision, idle.Revision)

	busy := f.availability("busy", func(a hodei.Availability) bool { return a.Revision >= first.Revision })
	require.Equal(t, hodei.WorkerBusy, busy.Status)
	require.Equal(t, 1, busy.Free)
	require.Equal(t, []hodei.ExecutionID{three.ExecutionID}, busy.Running)

	two := f.request("true")
	two.Requirements.Capacity = 2
	full := f.ask(two)
	require.False(t, full.Accepted)
	require.Equal(t, schemas.RefusedFull, *full.Refused)
	require.Equal(t, 1, full.Free)
	require.Equal(t, first.Revision, full.Revision)

	one := f.run(f.request("true"))
	f.end(one)
	require.Equal(t, 1, f.manager.ends[one][0].Free, "the end includes the freed slot")
	open(t, gate)
	f.end(three.ExecutionID)
	last := f.manager.ends[three.ExecutionID][0]
	require.Equal(t, 4, last.Free)
	require.Greater(t, last.Revision, first.Revision)
	again := f.availability("idle again", func(a hodei.Availability) bool { return len(a.Running) == 0 && a.Revision > last.Revision })
	require.Equal(t, 4, again.Free)
	require.Equal(t, hodei.WorkerAvailable, again.Status)
}

func TestOffersAreRefused(t *testing.T) {
	t.Parallel()
	f := start(t)
	tests := map[string]struct {
		change func(*schemas.ExecutionRequest)
		want   string
	}{
		"deadline over":       {func(r *schemas.ExecutionRequest) { r.Deadline = time.Now().Add(-time.Millisecond).UTC() }, schemas.RefusedExpired},
		"another incarnation": {func(r *schemas.ExecutionRequest) { r.Incarnation = uuid.NewString() }, schemas.RefusedIncarnation},
		"too large":           {func(r *schemas.ExecutionRequest) { r.Requirements.Capacity = 5 }, schemas.RefusedFull},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			req := f.request("true")
			test.change(&req)
			answer := f.ask(req)
			require.False(t, answer.Accepted)
			require.Equal(t, test.want, *answer.Refused)
			require.Nil(t, answer.StartedAt)
			require.Equal(t, 4, answer.Free)
		})
	}
}

func TestTheSameOfferIsAcceptedAgainButStartedOnce(t *testing.T) {
	t.Parallel()
	f := start(t)
	gate := fifo(t)
	req := f.request("echo started; cat < " + gate)
	first := f.ask(req)
	again := f.ask(req)
	require.True(t, again.Accepted)
	require.Equal(t, *first.StartedAt, *again.StartedAt)
	require.Equal(t, 3, again.Free)
	open(t, gate)
	end, lines := f.end(req.ExecutionID)
	require.Len(t, lines, 1)
	require.True(t, first.StartedAt.Equal(*end.StartedAt))

	f.availability("nothing is held", func(a hodei.Availability) bool { return len(a.Running) == 0 && a.Revision > again.Revision })
	late := f.ask(req)
	require.False(t, late.Accepted, "an execution is never started twice")
	require.Equal(t, schemas.RefusedExpired, *late.Refused)
}

// TestOffersShareARequest: each has a result of its own, in the order of the request.
func TestOffersShareARequest(t *testing.T) {
	t.Parallel()
	f := start(t)
	gate := fifo(t)
	odd, first, large, last := f.request("true"), f.request("cat < "+gate), f.request("true"), f.request("true")
	odd.Command, large.Requirements.Capacity = hodei.Command{}, 5
	req := schemas.OfferRequest{Offers: []schemas.ExecutionRequest{odd, first, large, last, first}}
	reply, err := rpc.CallWorker(t.Context(), f.nc, schemas.RequestExecutions, f.ID(), req)
	require.NoError(t, err)
	_, err = reply.Get(0)
	require.ErrorIs(t, err, hodei.Invalid)
	for i, accepted := range []bool{true, false, true, true} {
		a, err := reply.Get(i + 1)
		require.NoError(t, err)
		require.Equal(t, accepted, a.Accepted, "entry %d", i+1)
	}
	full, _ := reply.Get(2)
	require.Equal(t, schemas.RefusedFull, *full.Refused)
	f.end(last.ExecutionID)
	open(t, gate)
	f.end(first.ExecutionID)

	req.Offers = make([]schemas.ExecutionRequest, schemas.MaxShared+1)
	_, err = rpc.CallWorker(t.Context(), f.nc, schemas.RequestExecutions, f.ID(), req)
	require.ErrorIs(t, err, hodei.Invalid)
}

func TestTwoSchedulersCannotOverfillAWorker(t *testing.T) {
	t.Parallel()
	f := start(t)
	gate := fifo(t)
	var mu sync.Mutex
	accepted := 0
	var asking sync.WaitGroup
	for range 20 {
		req := f.request("cat < " + gate)
		asking.Go(func() {
			if f.ask(req).Accepted {
				mu.Lock()
				defer mu.Unlock()
				accepted++
			}
		})
	}
	asking.Wait()
	require.Equal(t, 4, accepted)
	f.Terminate()
}

func TestEndedExecutionsAreForgottenInTheEnd(t *testing.T) {
	t.Parallel()
	s := newSlots(1)
	begin := func(id hodei.ExecutionID) schemas.Acceptance {
		req := schemas.ExecutionRequest{ExecutionID: id, Deadline: time.Now().Add(time.Hour)}
		return s.take(&req, "", "", func(at time.Time) *run { return &run{req: req, startedAt: at} })
	}
	first := hodei.ExecutionID{1}
	id := first
	for i := range remembered + 1 {
		require.True(t, begin(id).Accepted)
		r := s.get(id)
		s.release(r)
		s.forget(r)
		require.False(t, begin(id).Accepted)
		id = hodei.ExecutionID{2, byte(i), byte(i >> 8)}
	}
	require.Len(t, s.ended, remembered)
	require.True(t, begin(first).Accepted)
}
