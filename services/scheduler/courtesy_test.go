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

// happens tells the scheduler of an execution on the worker.
func (s *Scheduler) happens(t *testing.T, kind string, e hodei.Execution, free int, revision uint64) {
	t.Helper()
	body, err := json.Marshal(schemas.Event{Type: kind, Execution: e, Free: &free, Revision: revision})
	require.NoError(t, err)
	s.onEvent(&nats.Msg{Header: nats.Header{schemas.HeaderEvent: {kind}}, Data: body})
}

// TestSlotsAreFirstHadByWhoGaveThem: an instance takes the slots of its own
// executions at once, and those of others a little later, if they are free still.
func TestSlotsAreFirstHadByWhoGaveThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{})
		worker := hodei.WorkerID{15: 1}
		reported := func(free int, n uint64) kv.Update {
			return kv.Update{WorkerID: worker, Availability: &hodei.Availability{
				WorkerID: worker, Status: hodei.WorkerBusy, Slots: 4, Free: free, Revision: n,
			}}
		}
		s.hear(reported(0, 1))
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

		s.hear(reported(4, 6))
		require.Equal(t, 2, s.free())
		time.Sleep(courtesy)
		synctest.Wait()
		require.Equal(t, 4, s.free())
		s.hear(reported(1, 7))
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
				WorkerID: worker, Incarnation: incarnation, Status: hodei.WorkerBusy, Slots: 4, Free: free, Revision: n,
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

// TestTheKeyOverridesForgedEvents: numbers that no worker reports are ignored, and
// those that it could report hold until it writes its key again.
func TestTheKeyOverridesForgedEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{})
		worker := hodei.WorkerID{15: 1}
		renew := func() {
			s.hear(kv.Update{WorkerID: worker, Availability: &hodei.Availability{
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

// TestAWorkerThatRefusesIsFull: until it says otherwise.
func TestAWorkerThatRefusesIsFull(t *testing.T) {
	s := New(Config{})
	worker := hodei.WorkerID{15: 1}
	s.hear(kv.Update{WorkerID: worker, Availability: &hodei.Availability{WorkerID: worker, Slots: 4, Free: 3, Revision: 1}})
	s.fleet.refused(worker, 2)
	require.Equal(t, 1, s.free(), "less than two slots")
	s.happens(t, schemas.EventStarted, hodei.Execution{ID: hodei.ExecutionID{15: 1}, WorkerID: &worker, Status: hodei.Running}, 3, 2)
	s.fleet.release(worker, 2)
	require.Equal(t, 3, s.free())
}

// TestAWorkerThatRefusedIsAskedAgain: what made it refuse may pass without a change of
// its slots, as when its disk has space again; then only its next key tells.
func TestAWorkerThatRefusedIsAskedAgain(t *testing.T) {
	s := New(Config{})
	worker := hodei.WorkerID{15: 1}
	report := hodei.Availability{WorkerID: worker, Status: hodei.WorkerAvailable, Slots: 1, Free: 1, Revision: 1}
	s.hear(kv.Update{WorkerID: worker, Availability: &report})
	s.fleet.refused(worker, 1)
	require.Zero(t, s.free())
	s.hear(kv.Update{WorkerID: worker, Availability: &report})
	require.Equal(t, 1, s.free())
	s.fleet.refused(worker, 1)
	require.Zero(t, s.free())
}

// TestAnAnswerDoesNotGiveAwaySlotsOfOthers: a worker lets go of a slot before the
// end is recorded, and tells so to whoever asks it next. In whatever order the
// news come, the slot is had by who gave it away.
func TestAnAnswerDoesNotGiveAwaySlotsOfOthers(t *testing.T) {
	worker := hodei.WorkerID{15: 1}
	mine, theirs, next := hodei.ExecutionID{15: 1}, hodei.ExecutionID{15: 2}, hodei.ExecutionID{15: 3}
	slot := plan.Request{ID: next, Requirements: hodei.Requirements{Capacity: 1}}
	run := func(id hodei.ExecutionID, status hodei.ExecutionStatus) hodei.Execution {
		return hodei.Execution{ID: id, WorkerID: &worker, Status: status}
	}
	var s *Scheduler
	begin := func(t *testing.T) { // with one slot free, which is given to next
		s = New(Config{})
		s.hear(kv.Update{WorkerID: worker, Availability: &hodei.Availability{
			WorkerID: worker, Status: hodei.WorkerBusy, Slots: 3, Free: 1, Revision: 1, At: time.Now(),
		}})
		s.given.add(mine)
		s.given.add(next)
		require.NotNil(t, s.fleet.choose(slot, time.Now()).Worker)
	}
	answered := func(free int, revision uint64) {
		s.leave(worker, s.fleet.settle(worker, 1, true, free, revision, time.Millisecond))
	}
	for name, news := range map[string]func(t *testing.T){
		"the answer first": func(t *testing.T) {
			answered(1, 3) // theirs has ended, as revision 2 would show
			require.Zero(t, s.free())
			s.happens(t, schemas.EventStarted, run(next, hodei.Running), 1, 3)
			require.Zero(t, s.free())
		},
		"the event first": func(t *testing.T) {
			s.happens(t, schemas.EventStarted, run(next, hodei.Running), 1, 3)
			require.Zero(t, s.free())
			answered(1, 3)
			require.Zero(t, s.free())
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin(t)
				news(t)
				s.happens(t, schemas.EventCompleted, run(theirs, hodei.Completed), 1, 2)
				require.Zero(t, s.free(), "that is known")
				time.Sleep(courtesy)
				synctest.Wait()
				require.Equal(t, 1, s.free(), "they have nothing for it")
			})
			synctest.Test(t, func(t *testing.T) {
				begin(t)
				news(t)
				s.happens(t, schemas.EventCompleted, run(mine, hodei.Completed), 1, 2)
				require.Equal(t, 1, s.free(), "it was ours")
			})
		})
	}
}

// TestTheViewOfSlotsComesRight: whatever order the news of several instances come
// in, in the end the view is what the worker said last, and nothing was ever
// offered that no report had as free.
func TestTheViewOfSlotsComesRight(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		worker := hodei.WorkerID{15: 1}
		const capacity = 4
		free, revision, began := capacity, uint64(1), 0
		f := newFleet(plan.DefaultWeights)
		now := time.Now()
		f.hear(kv.Update{WorkerID: worker, Availability: &hodei.Availability{WorkerID: worker, Status: hodei.WorkerBusy, Slots: capacity, Free: free, Revision: revision, At: now}}, now)
		var news []func()
		left := 0
		tell := func(fn func(free int, revision uint64) int) {
			free, revision := free, revision
			news = append(news, func() { left += fn(free, revision) })
		}
		said := func(mine int) {
			tell(func(free int, revision uint64) int { _, n := f.said(worker, &free, revision, mine); return n })
		}
		var running []bool // whether it is this instance's
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			switch rapid.IntRange(0, 3).Draw(t, "step") {
			case 0: // this instance gives it one, and is told
				d := f.choose(plan.Request{ID: hodei.ExecutionID{byte(began)}, Requirements: hodei.Requirements{Capacity: 1}}, now)
				if d.Worker == nil {
					continue
				}
				if began++; free == 0 {
					f.settle(worker, 1, false, 0, 0, 0)
					f.refused(worker, 1)
					continue
				}
				free, revision, running = free-1, revision+1, append(running, true)
				said(-1)
				tell(func(free int, revision uint64) int {
					return f.settle(worker, 1, true, free, revision, time.Millisecond)
				})
			case 1: // another one does
				if free > 0 {
					free, revision, running = free-1, revision+1, append(running, false)
					said(0)
				}
			case 2: // something ends
				if len(running) > 0 {
					i := rapid.IntRange(0, len(running)-1).Draw(t, "which")
					mine := 0
					if running[i] {
						mine = 1
					}
					free, revision, running = free+1, revision+1, append(running[:i], running[i+1:]...)
					said(mine)
				}
			case 3: // news arrive
				if len(news) > 0 {
					i := rapid.IntRange(0, len(news)-1).Draw(t, "news")
					news[i]()
					news = append(news[:i], news[i+1:]...)
				}
			}
			require.GreaterOrEqual(t, f.workers[0].Free, 0)
			require.LessOrEqual(t, f.workers[0].Free, capacity)
		}
		for _, fn := range news {
			fn()
		}
		f.hear(kv.Update{WorkerID: worker, Availability: &hodei.Availability{WorkerID: worker, Status: hodei.WorkerBusy, Slots: capacity, Free: free, Revision: revision, At: now}}, now)
		f.release(worker, capacity)
		require.Equal(t, free, f.workers[0].Free)
	})
}

// TestOwnExecutionsComeBeforeFoundOnes: of about the same age.
func TestOwnExecutionsComeBeforeFoundOnes(t *testing.T) {
	q := newQueue(order(10 * time.Minute))
	for i, found := range []bool{true, true, false, false} {
		e := waits(byte(i), 5, "a")
		e.req.ID, e.adopted = made(i/2, uint16(i)), found // the first two a minute older
		require.True(t, pushed(t, q, e))
	}
	late := waits(9, 5, "a")
	late.req.ID, late.adopted = made(1, 0), true
	require.True(t, pushed(t, q, late))
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

// TestWhatIsQueuedAgainIsLookedForLater: whoever was refused has it still.
func TestWhatIsQueuedAgainIsLookedForLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{})
		for range 3 {
			s.happens(t, schemas.EventRequeued, hodei.Execution{ID: hodei.ExecutionID{15: 1}, Status: hodei.Pending}, 0, 0)
		}
		require.Zero(t, s.queue.len())
		require.Empty(t, s.soon)
		time.Sleep(time.Second)
		synctest.Wait()
		require.Len(t, s.soon, 1)
		<-s.soon
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Empty(t, s.soon, "once for all")
	})
}

// TestCourtesyIsAsLongAsAssignmentsTake: else slots are taken that somebody is
// about to fill.
func TestCourtesyIsAsLongAsAssignmentsTake(t *testing.T) {
	var p pace
	require.Equal(t, courtesy, p.courtesy())
	p.took(10 * time.Millisecond)
	require.Equal(t, courtesy, p.courtesy())
	for range 100 {
		p.took(100 * time.Millisecond)
	}
	require.InDelta(t, 300*time.Millisecond, p.courtesy(), float64(time.Millisecond))
	p.took(time.Hour)
	require.Equal(t, courtesyMost, p.courtesy())
}
