package scheduler

import (
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/kv"
	"github.com/hodei-jobs/hodei/schemas"
	"github.com/hodei-jobs/hodei/services/scheduler/plan"
)

// free is how many slots the scheduler believes the worker to have.
func (s *Scheduler) free() int {
	_, free := s.fleet.size()
	return free
}

// watched takes in a change of the bucket.
func (s *Scheduler) watched(u kv.Update) bool { return s.fleet.watched(u, time.Now()) }

// happens has the scheduler receive an event of an execution.
func (s *Scheduler) happens(t *testing.T, kind string, e hodei.Execution, free int, revision uint64) {
	t.Helper()
	body, err := json.Marshal(schemas.Event{Type: kind, Execution: e, Free: &free, Revision: revision})
	require.NoError(t, err)
	s.onEvent(&nats.Msg{Data: body})
}

// TestAWorkerThatLeavesStaysAway: an event that it caused shortly before does not bring it
// back, and its revisions do not count for the next incarnation.
func TestAWorkerThatLeavesStaysAway(t *testing.T) {
	s := New(Config{})
	worker := hodei.WorkerID{15: 1}
	report := func(incarnation string, free int, n uint64) {
		s.watched(kv.Update{WorkerID: worker, Availability: &hodei.Availability{
			WorkerID: worker, Incarnation: incarnation, Status: hodei.WorkerBusy, Slots: 4, Free: free, Revision: n,
		}})
	}
	report("first", 0, 1)
	s.watched(kv.Update{WorkerID: worker})
	s.happens(t, schemas.EventCompleted, hodei.Execution{ID: hodei.ExecutionID{15: 1}, WorkerID: &worker, Status: hodei.Completed}, 4, 2)
	workers, _ := s.fleet.size()
	require.Zero(t, workers)

	report("first", 4, 4)
	report("second", 1, 1)
	require.Equal(t, 1, s.free())
}

// TestAnEventWithoutAWorkerIsPassedOver: any client may publish one.
func TestAnEventWithoutAWorkerIsPassedOver(t *testing.T) {
	s := New(Config{})
	for _, kind := range []string{schemas.EventStarted, schemas.EventCompleted} {
		s.happens(t, kind, hodei.Execution{ID: hodei.ExecutionID{15: 1}, Status: hodei.Completed}, 1, 1)
	}
	require.Zero(t, s.free())
}

// TestTheKeyOverridesForgedEvents: numbers that no worker reports are ignored, and
// those that it could report hold until it writes its key again.
func TestTheKeyOverridesForgedEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{})
		worker := hodei.WorkerID{15: 1}
		renew := func() {
			s.watched(kv.Update{WorkerID: worker, Availability: &hodei.Availability{
				WorkerID: worker, Status: hodei.WorkerAvailable, Slots: 8, Free: 8, Revision: 3,
			}})
		}
		renew()
		forge := func(free int, revision uint64) {
			e := hodei.Execution{ID: hodei.ExecutionID{15: 1}, WorkerID: &worker, Status: hodei.Completed}
			s.happens(t, schemas.EventCompleted, e, free, revision)
		}
		for _, free := range []int{-1e9, -1, 9, 1e9} {
			forge(free, 4)
		}
		forge(0, 1<<63)
		forge(0, 3+mostAhead+1)
		require.Equal(t, 8, s.free())
		forge(0, 4000)
		require.Zero(t, s.free(), "a worker could have reported that")
		renew()
		require.Zero(t, s.free(), "the key may be late")
		time.Sleep(keyWins)
		renew()
		require.Equal(t, 8, s.free())
		forge(7, 4)
		require.Equal(t, 7, s.free(), "the revisions after the key's count again")
	})
}

// TestAWorkerThatRefusesIsFull: until its next report.
func TestAWorkerThatRefusesIsFull(t *testing.T) {
	s := New(Config{})
	worker := hodei.WorkerID{15: 1}
	s.watched(kv.Update{WorkerID: worker, Availability: &hodei.Availability{WorkerID: worker, Slots: 4, Free: 3, Revision: 1}})
	s.fleet.refused(worker, 2)
	require.Equal(t, 1, s.free(), "less than two slots")
	s.happens(t, schemas.EventStarted, hodei.Execution{ID: hodei.ExecutionID{15: 1}, WorkerID: &worker, Status: hodei.Running}, 3, 2)
	require.Equal(t, 3, s.free())
}

// TestAWorkerThatRefusedIsAskedAgain: what made it refuse may pass without a change of
// its slots, as when its disk has space again; then only its next key shows it.
func TestAWorkerThatRefusedIsAskedAgain(t *testing.T) {
	s := New(Config{})
	worker := hodei.WorkerID{15: 1}
	report := hodei.Availability{WorkerID: worker, Status: hodei.WorkerAvailable, Slots: 1, Free: 1, Revision: 1}
	s.watched(kv.Update{WorkerID: worker, Availability: &report})
	s.fleet.refused(worker, 1)
	require.Zero(t, s.free())
	s.watched(kv.Update{WorkerID: worker, Availability: &report})
	require.Equal(t, 1, s.free())
	s.fleet.refused(worker, 1)
	require.Zero(t, s.free())
}

// TestTheViewOfSlotsComesRight: in whatever order answers and events arrive, in the end
// the view is what the worker reported last, and no slot was offered twice.
func TestTheViewOfSlotsComesRight(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		worker := hodei.WorkerID{15: 1}
		const capacity = 4
		free, revision, began, running := capacity, uint64(1), 0, 0
		f := newFleet(plan.DefaultWeights)
		now := time.Now()
		key := func() {
			f.watched(kv.Update{WorkerID: worker, Availability: &hodei.Availability{
				WorkerID: worker, Status: hodei.WorkerBusy, Slots: capacity, Free: free, Revision: revision,
			}}, now)
		}
		key()
		var news []func()
		send := func(fn func(free int, revision uint64)) {
			free, revision := free, revision
			news = append(news, func() { fn(free, revision) })
		}
		event := func() {
			send(func(free int, revision uint64) { f.reported(worker, &free, revision) })
		}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			switch rapid.IntRange(0, 3).Draw(t, "step") {
			case 0: // the scheduler offers it an execution
				_, ok := f.choose(plan.Request{ID: hodei.ExecutionID{byte(began)}, Requirements: hodei.Requirements{Capacity: 1}}, now)
				if !ok {
					continue
				}
				if began++; free == 0 {
					f.settle(worker, 1, false, 0, 0, 0)
					f.refused(worker, 1)
					continue
				}
				free, revision, running = free-1, revision+1, running+1
				event()
				send(func(free int, revision uint64) { f.settle(worker, 1, true, free, revision, time.Millisecond) })
			case 1: // it is given one by name
				if free > 0 {
					free, revision, running = free-1, revision+1, running+1
					event()
				}
			case 2: // an execution ends
				if running > 0 {
					free, revision, running = free+1, revision+1, running-1
					event()
				}
			case 3: // an answer or an event arrives
				if len(news) > 0 {
					i := rapid.IntRange(0, len(news)-1).Draw(t, "news")
					news[i]()
					news = append(news[:i], news[i+1:]...)
				}
			}
			_, seen := f.size()
			require.GreaterOrEqual(t, seen, 0)
			require.LessOrEqual(t, seen, capacity)
		}
		for _, fn := range news {
			fn()
		}
		key()
		_, seen := f.size()
		require.Equal(t, free, seen)
	})
}

// TestCreatedExecutionsAreQueuedOnce: by their event, without a request, however often
// the event, a request and a sweep bring the same one. One that was placed is not queued.
func TestCreatedExecutionsAreQueuedOnce(t *testing.T) {
	s := New(Config{MaxQueue: 2})
	pending := hodei.Execution{ID: hodei.ExecutionID{15: 1}, Status: hodei.Pending, Spec: hodei.Spec{Priority: 5}}
	for range 2 {
		s.happens(t, schemas.EventCreated, pending, 0, 0)
		s.happens(t, schemas.EventRequeued, pending, 0, 0)
		s.adopt(pending.ID, 5, hodei.Requirements{}, nil)
	}
	require.Equal(t, 1, s.queue.len())
	e := newEntry(pending.ID, 5, hodei.Requirements{}, nil)
	e.asked = true
	queued, err := s.queue.push(e)
	require.NoError(t, err)
	require.NotSame(t, e, queued)
	require.True(t, s.queue.waited(queued), "the request waits for the entry that the event queued")
	require.Same(t, queued, s.queue.pop(nil))
	s.happens(t, schemas.EventCreated, pending, 0, 0)
	require.Nil(t, s.queue.pop(nil), "it is being assigned")

	worker := hodei.WorkerID{15: 1}
	placed := hodei.Execution{ID: hodei.ExecutionID{15: 2}, Status: hodei.Running, WorkerID: &worker}
	s.happens(t, schemas.EventCreated, placed, 0, 0)
	require.Equal(t, 1, s.queue.len())
	for n := byte(3); n < 6; n++ {
		pending.ID = hodei.ExecutionID{15: n}
		s.happens(t, schemas.EventCreated, pending, 0, 0)
	}
	require.Equal(t, 2, s.queue.len(), "the rest waits in the record")
	require.True(t, s.more.Load())
	require.NotZero(t, s.fullAt.Load(), "the orchestrators are to refuse more")
}

// TestWithoutTheLeaseNothingIsDecided: a scheduler that was stopped for longer than its
// lease offers nothing, whatever it had chosen.
func TestWithoutTheLeaseNothingIsDecided(t *testing.T) {
	s := New(Config{})
	s.leads = func() bool { return false }
	_, err := s.give(plan.Request{}, plan.Worker{}, func() (schemas.Assignment, error) {
		t.Error("offered")
		return schemas.Assignment{}, nil
	})
	require.ErrorIs(t, err, hodei.Unavailable)
}
