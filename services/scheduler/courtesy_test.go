package scheduler

import (
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/kv"
	"github.com/hodei-jobs/hodei/schemas"
)

// free is how many slots the scheduler believes the worker to have.
func (s *Scheduler) free() int {
	_, free := s.fleet.size()
	return free
}

// happens tells the scheduler of an execution on the worker.
func (s *Scheduler) happens(t *testing.T, kind string, e hodei.Execution, free int, word uint64) {
	t.Helper()
	body, err := json.Marshal(schemas.Event{Type: kind, Execution: e, Free: &free, Word: word})
	require.NoError(t, err)
	s.onEvent(&nats.Msg{Header: nats.Header{schemas.HeaderEvent: {kind}}, Data: body})
}

// TestSlotsAreFirstHadByWhoGaveThem: an instance takes the slots of its own
// executions at once, and those of others a little later, if they are free still.
func TestSlotsAreFirstHadByWhoGaveThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{})
		worker := hodei.WorkerID{15: 1}
		word := func(free int, n uint64) kv.Update {
			return kv.Update{WorkerID: worker, Availability: &hodei.Availability{
				WorkerID: worker, Status: hodei.WorkerBusy, Capacity: 4, Free: free, Word: n,
			}}
		}
		s.hear(word(0, 1))
		require.Zero(t, s.free(), "a worker that comes is known at once")

		mine, theirs := hodei.ExecutionID{15: 1}, hodei.ExecutionID{15: 2}
		end := func(id hodei.ExecutionID, free int, n uint64) {
			s.happens(t, schemas.EventCompleted, hodei.Execution{ID: id, WorkerID: &worker, Status: hodei.Completed}, free, n)
		}
		s.given.add(mine)
		end(mine, 1, 2)
		require.Equal(t, 1, s.free())
		end(theirs, 2, 3)
		require.Equal(t, 1, s.free())
		time.Sleep(courtesy)
		synctest.Wait()
		require.Equal(t, 2, s.free())
		require.Len(t, s.queue.woken, 1)

		end(theirs, 3, 4)
		s.happens(t, schemas.EventStarted, hodei.Execution{ID: mine, WorkerID: &worker, Status: hodei.Running}, 2, 5)
		time.Sleep(courtesy)
		synctest.Wait()
		require.Equal(t, 2, s.free(), "somebody took it meanwhile")

		s.hear(word(4, 6))
		require.Equal(t, 2, s.free())
		time.Sleep(courtesy)
		synctest.Wait()
		require.Equal(t, 4, s.free())
		s.hear(word(1, 7))
		require.Equal(t, 1, s.free(), "that there are less is heard at once")
	})
}

// TestAWorkerThatLeavesStaysAway: what it said shortly before does not bring it
// back, nor does it count for the next incarnation.
func TestAWorkerThatLeavesStaysAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{})
		worker := hodei.WorkerID{15: 1}
		say := func(incarnation string, free int, n uint64) {
			s.hear(kv.Update{WorkerID: worker, Availability: &hodei.Availability{
				WorkerID: worker, Incarnation: incarnation, Status: hodei.WorkerBusy, Capacity: 4, Free: free, Word: n,
			}})
		}
		say("first", 0, 1)
		say("first", 4, 2)
		s.hear(kv.Update{WorkerID: worker})
		time.Sleep(courtesy)
		synctest.Wait()
		workers, _ := s.fleet.size()
		require.Zero(t, workers)

		say("first", 0, 3)
		say("first", 4, 4)
		say("second", 1, 1)
		time.Sleep(courtesy)
		synctest.Wait()
		require.Equal(t, 1, s.free())
	})
}

// TestAnEventWithoutAWorkerIsPassedOver: anybody may publish one.
func TestAnEventWithoutAWorkerIsPassedOver(t *testing.T) {
	s := New(Config{})
	for _, kind := range []string{schemas.EventStarted, schemas.EventCompleted} {
		s.happens(t, kind, hodei.Execution{ID: hodei.ExecutionID{15: 1}, Status: hodei.Completed}, 1, 1)
	}
	require.Zero(t, s.free())
}

// TestAWorkerThatRefusesIsFull: until it says otherwise.
func TestAWorkerThatRefusesIsFull(t *testing.T) {
	s := New(Config{})
	worker := hodei.WorkerID{15: 1}
	s.hear(kv.Update{WorkerID: worker, Availability: &hodei.Availability{WorkerID: worker, Capacity: 4, Free: 3, Word: 1}})
	s.fleet.refused(worker, 2)
	require.Equal(t, 1, s.free(), "less than two slots")
	s.happens(t, schemas.EventStarted, hodei.Execution{WorkerID: &worker, Status: hodei.Running}, 3, 2)
	require.Equal(t, 3, s.free())
}

// TestOwnExecutionsComeBeforeFoundOnes: of about the same age.
func TestOwnExecutionsComeBeforeFoundOnes(t *testing.T) {
	q := newQueue(order(10 * time.Minute))
	for i, found := range []bool{true, true, false, false} {
		e := waits(byte(i), 5, "a")
		e.req.ID, e.adopted = made(i/2, uint16(i)), found // the first two a minute older
		require.True(t, q.push(e))
	}
	late := waits(9, 5, "a")
	late.req.ID, late.adopted = made(1, 0), true
	require.True(t, q.push(late))
	var order []byte
	for e := q.pop(nil); e != nil; e = q.pop(nil) {
		order = append(order, e.req.ID[15])
	}
	require.Equal(t, []byte{0, 1, 2, 3, 0}, order)
}

func TestWhatIsGivenIsBounded(t *testing.T) {
	g := given{ids: map[hodei.ExecutionID]bool{}}
	for i := range givenMost + 10 {
		g.add(hodei.ExecutionID{byte(i >> 16), byte(i >> 8), byte(i)})
	}
	require.Len(t, g.ids, 10)
}
