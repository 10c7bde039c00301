package scheduler

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/kv"
	"github.com/hodei-jobs/hodei/schemas"
	"github.com/hodei-jobs/hodei/services/scheduler/plan"
)

func waits(n byte, priority int, kind string) *entry {
	return newEntry(hodei.ExecutionID{15: n}, priority, hodei.Requirements{Type: &kind}, nil)
}

func pushed(t require.TestingT, q *queue, e *entry) bool {
	queued, err := q.push(e)
	require.NoError(t, err)
	return queued == e
}

// TestAPriorityOutOfRangeChangesNothing: it would index past the lines.
func TestAPriorityOutOfRangeChangesNothing(t *testing.T) {
	q := newQueue(order(10 * time.Minute))
	for _, priority := range []int{-1, 11, 99} {
		_, err := q.push(waits(1, priority, "a"))
		require.ErrorIs(t, err, hodei.Invalid)
	}
	require.Zero(t, q.len())
	require.Nil(t, q.pop(nil))
}

func TestQueueOrder(t *testing.T) {
	q := newQueue(order(10 * time.Minute))
	for _, e := range []*entry{waits(3, 5, "a"), waits(1, 5, "b"), waits(4, 9, "b"), waits(2, 5, "a"), waits(5, 0, "a")} {
		require.True(t, pushed(t, q, e))
		again := *e
		require.False(t, pushed(t, q, &again), "once is enough")
	}
	require.Equal(t, 4, q.position(waits(3, 5, "a")), "one of higher priority and two of the same, but older")
	var order []byte
	for e := q.pop(nil); e != nil; e = q.pop(nil) {
		order = append(order, e.req.ID[15])
	}
	require.Equal(t, []byte{4, 1, 2, 3, 5}, order)
	require.Equal(t, 5, q.len(), "they are still being assigned")
}

// TestHopelessClassIsPassedOver: a class of which even the only entry found no
// worker is skipped, also after that entry went back.
func TestHopelessClassIsPassedOver(t *testing.T) {
	q := newQueue(order(10 * time.Minute))
	q.push(waits(1, 9, "a"))
	q.push(waits(2, 1, "b"))
	first := q.pop(nil)
	hopeless := map[string]bool{first.class.key: true}
	q.restore(first)
	require.Equal(t, byte(2), q.pop(hopeless).req.ID[15])
	require.Nil(t, q.pop(hopeless))
}

func TestWithdraw(t *testing.T) {
	q := newQueue(order(10 * time.Minute))
	gone := result{withdrawn: true}
	queued, assigning := waits(1, 5, "a"), waits(2, 5, "a")
	q.push(queued)
	require.True(t, q.withdraw(queued.req.ID, gone))
	<-queued.done
	require.True(t, queued.result.withdrawn, "requests that wait are answered")
	require.Nil(t, q.pop(nil))
	require.Equal(t, 1, q.position(assigning))

	q.push(assigning)
	require.Same(t, assigning, q.pop(nil))
	q.settle(assigning.req.ID, result{})
	require.Equal(t, 1, q.len(), "its own result decides")
	require.False(t, q.withdraw(assigning.req.ID, gone))
	q.restore(assigning)
	<-assigning.done
	require.True(t, assigning.result.withdrawn)
	require.Zero(t, q.len())
}

// TestAWaitEndsWithACancelledExecution: the request is answered with the state in the record,
// also if the execution was just being assigned, and the worker refuses it.
func TestAWaitEndsWithACancelledExecution(t *testing.T) {
	s := New(Config{})
	for n, assigning := range []bool{false, true} {
		e := hodei.Execution{ID: hodei.ExecutionID{15: byte(n + 1)}, Status: hodei.Pending, Spec: hodei.Spec{Priority: 5}}
		s.happens(t, schemas.EventCreated, e, 0, 0)
		queued := s.queue.entries[e.ID]
		if assigning {
			require.Same(t, queued, s.queue.pop(nil))
		}
		e.Status = hodei.Cancelled
		s.happens(t, schemas.EventCancelled, e, 0, 0)
		if assigning {
			s.queue.restore(queued)
		}
		select {
		case <-queued.done:
			require.Equal(t, hodei.Cancelled, queued.result.decision.Status)
		default:
			t.Error("the request waits on")
		}
		require.Zero(t, s.queue.len())
	}
}

// TestSlotsAreReserved: an execution that needs several slots and has waited has those of one
// worker reserved for it, whatever smaller ones come.
func TestSlotsAreReserved(t *testing.T) {
	s := New(Config{})
	now := time.Now()
	report := hodei.Availability{WorkerID: hodei.WorkerID{15: 1}, Status: hodei.WorkerBusy, Slots: 2, Free: 1, Revision: 1, At: now}
	other := report
	other.WorkerID, other.Free = hodei.WorkerID{15: 2}, 0
	for _, a := range []hodei.Availability{report, other} {
		s.fleet.watched(kv.Update{WorkerID: a.WorkerID, Availability: &a}, now)
	}
	large := plan.Request{ID: made(0, 1), Requirements: hodei.Requirements{Capacity: 2}}
	small := plan.Request{ID: made(1, 2)}
	s.fleet.reserve(large, now)
	_, ok := s.fleet.choose(small, now)
	require.False(t, ok)
	require.Equal(t, "no worker: 1 busy, 1 reserved for an execution that waits longer", s.fleet.reason(small, now).Reason)
	report.Free, report.Revision = 2, 2
	require.True(t, s.fleet.watched(kv.Update{WorkerID: report.WorkerID, Availability: &report}, now))
	chosen, ok := s.fleet.choose(large, now)
	require.True(t, ok)
	require.Equal(t, report.WorkerID, chosen.WorkerID)
	s.fleet.releaseReservations()
	require.NotContains(t, s.fleet.reason(small, now).Reason, "reserved")
	s.fleet.reserve(plan.Request{ID: made(2, 3), Requirements: hodei.Requirements{Capacity: 3}}, now)
	require.Empty(t, s.fleet.reserved, "none could ever take it")
}

// TestNewWorkerIsLikeTheOthers: without a history it is taken to be as fast and
// as good as the fleet is.
func TestNewWorkerIsLikeTheOthers(t *testing.T) {
	f := newFleet(plan.DefaultWeights)
	now := time.Now()
	id := func(n byte) hodei.WorkerID { return hodei.WorkerID{15: n} }
	join := func(n byte) {
		a := hodei.Availability{WorkerID: id(n), Slots: 4, Free: 4, At: now}
		f.watched(kv.Update{WorkerID: a.WorkerID, Availability: &a}, now)
	}
	seen := func(n byte) (w plan.Worker) {
		require.True(t, f.workers.Update(id(n), func(seen *plan.Worker) { w = *seen }))
		return w
	}
	join(1)
	require.Equal(t, 1.0, seen(1).Success)
	for range 40 {
		f.ended(hodei.Execution{WorkerID: new(id(1)), Reason: new(hodei.ReasonWorkerLost)})
		f.settle(id(1), 1, true, 4, 0, 30*time.Millisecond)
	}
	join(2)
	require.InDelta(t, seen(1).Success, seen(2).Success, 1e-9)
	require.Equal(t, seen(1).AckLatency, seen(2).AckLatency)
	require.Greater(t, seen(2).AckLatency, time.Duration(0))
}

// TestPatienceFollowsTheRuns: slots are reserved sooner where they come free sooner.
func TestPatienceFollowsTheRuns(t *testing.T) {
	f := newFleet(plan.DefaultWeights)
	require.Equal(t, patienceMost, f.patience())
	ran := func(d time.Duration) {
		began := time.Now()
		f.ended(hodei.Execution{WorkerID: &hodei.WorkerID{15: 1}, StartedAt: &began, CompletedAt: new(began.Add(d))})
	}
	ran(10 * time.Millisecond)
	require.Equal(t, 200*time.Millisecond, f.patience())
	for range 100 {
		ran(time.Hour)
	}
	require.Equal(t, patienceMost, f.patience())
}
