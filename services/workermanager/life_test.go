package workermanager

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
)

// TestAWorkerThatAnswersIsNotLost although its key is not renewed, for example
// because NATS' disk is full. Its executions continue until it stops answering.
func TestAWorkerThatAnswersIsNotLost(t *testing.T) {
	t.Parallel()
	b := start(t)
	h := b.worker()
	e := h.given()
	stop := h.answerForItself()
	for range 5 {
		h.silentFor(b.cfg.LostAfter * 3 / 4) // longer, and it might be lost before it is asked
		b.until("it was asked, and has answered", h.counted)
		require.Equal(t, hodei.Running, b.execution(e.ID).Status, "lost though it answers")
	}
	require.NotEqual(t, hodei.WorkerOffline, b.recorded(h.id).Status)
	stop()
	h.silent()
	require.Equal(t, hodei.ReasonWorkerLost, *b.becomes(e.ID, hodei.Failed).Reason)
}

func TestASilentWorkerIsLostAndMayComeBack(t *testing.T) {
	t.Parallel()
	b := start(t)
	h := b.worker()
	e := h.given()
	before, _ := b.fleet.get(h.id)
	h.silent()
	lost := b.becomes(e.ID, hodei.Failed)
	require.Equal(t, hodei.ReasonWorkerLost, *lost.Reason)
	require.Equal(t, e.ID, b.event(schemas.EventFailed).Execution.ID)
	row := b.recorded(h.id)
	require.Equal(t, hodei.WorkerOffline, row.Status)
	require.WithinDuration(t, before.reportedAt, *row.LastSeenAt, time.Millisecond, "when it last reported, not when it was declared lost")
	require.Zero(t, must(b, schemas.GetWorker, schemas.GetWorkerRequest{ID: h.id}).Capacity)

	h.keepReporting() // it still runs the execution
	b.records(h.id, hodei.WorkerAvailable)
	h.awaitInterrupt(e.ID, hodei.ReasonWorkerLost)
	_, err := h.finish(h.ended(e.ID, 0))
	require.ErrorIs(t, err, hodei.Conflict, "its end is final")
	other := b.pending()
	_, err = b.assignTo(other, h)
	require.NoError(t, err)
}

func TestAWorkerThatNeverReportsIsLost(t *testing.T) {
	t.Parallel()
	b := start(t)
	h := b.registered()
	require.Equal(t, hodei.WorkerAvailable, b.recorded(h.id).Status)
	h.silent()
	b.records(h.id, hodei.WorkerOffline)
}

// TestNoWorkerIsLostWhileReportsCannotArrive: the count restarts each time the
// bucket can be watched again.
func TestNoWorkerIsLostWhileReportsCannotArrive(t *testing.T) {
	t.Parallel()
	b := start(t)
	h := b.worker()
	e := h.given()
	b.fleet.setWatched(false, time.Now())
	unwatched, _ := b.fleet.get(h.id)
	b.until("a pass without the watch", func() bool { m, _ := b.fleet.get(h.id); return m.since.After(unwatched.since) })
	for range 5 {
		h.silent()
		b.until("the count begins anew", h.counted)
	}
	h.silent()
	b.fleet.setWatched(true, time.Now())
	require.True(t, h.counted(), "from when its reports can arrive")
	b.requireStays(e.ID)
	h.silent()
	b.becomes(e.ID, hodei.Failed)
}

// TestAnOldKeyIsNoSignOfLife: an old report does not bring back a worker that
// another instance has recorded as gone, whether this instance received the
// report or found it in the bucket.
func TestAnOldKeyIsNoSignOfLife(t *testing.T) {
	t.Parallel()
	b := start(t)
	h := b.worker()
	_, err := b.db.LeaveWorker(t.Context(), h.id, h.report.Incarnation, hodei.WorkerOffline) // by another instance
	require.NoError(t, err)
	b.never("back by its old report", 20*b.cfg.Reconcile, func() bool { return b.recorded(h.id).Status != hodei.WorkerOffline })
	b.run(b.db)
	b.until("the key is seen", func() bool { m, ok := b.fleet.get(h.id); return ok && m.leased })
	b.never("back by its old key", 20*b.cfg.Reconcile, func() bool { return b.recorded(h.id).Status != hodei.WorkerOffline })
	h.keepReporting()
	b.records(h.id, hodei.WorkerAvailable)
}

func TestANewProcessLosesWhatTheOldOneRan(t *testing.T) {
	t.Parallel()
	b := start(t)
	h := b.worker()
	e := h.given()
	h.register(&h.id)
	lost := b.execution(e.ID)
	require.Equal(t, hodei.Failed, lost.Status)
	require.Equal(t, hodei.ReasonWorkerLost, *lost.Reason)
	h.reportAfter(nil)
	next := h.given()
	h.keepReporting()
	b.requireStays(next.ID)
	require.Equal(t, h.report.Incarnation, h.offers[1].Incarnation)
}

func TestLeaveKilled(t *testing.T) {
	t.Parallel()
	b := start(t)
	h := b.worker()
	e := h.given()
	req := schemas.LeaveRequest{WorkerID: h.id, Incarnation: "another", Killed: true}
	must(b, schemas.LeaveWorker, req)
	require.Equal(t, hodei.Running, b.execution(e.ID).Status, "an earlier process was meant")
	req.Incarnation = h.report.Incarnation
	for range 2 {
		must(b, schemas.LeaveWorker, req)
	}
	require.Equal(t, hodei.ReasonWorkerLost, *b.execution(e.ID).Reason)
	require.Equal(t, hodei.WorkerOffline, b.recorded(h.id).Status)
}

func TestLeave(t *testing.T) {
	t.Parallel()
	b := start(t)
	h := b.worker()
	require.NoError(t, b.bucket.Delete(t.Context(), h.id))
	must(b, schemas.LeaveWorker, schemas.LeaveRequest{WorkerID: h.id, Incarnation: h.report.Incarnation})
	require.Equal(t, hodei.WorkerTerminated, b.recorded(h.id).Status)
	h.register(&h.id)
	require.Equal(t, hodei.WorkerAvailable, b.recorded(h.id).Status, "the same worker, started again")
}

// TestJoin: a worker chooses its id, under which it is recorded even if the
// record was lost.
func TestJoin(t *testing.T) {
	t.Parallel()
	b := start(t)
	id, other := hodei.WorkerID(uuid.Must(uuid.NewV7())), b.worker()
	req := schemas.RegisterWorkerRequest{ID: &id, Type: "shell", Capacity: 4, Incarnation: "first"}
	for _, incarnation := range []string{"first", "first", "second"} {
		req.Incarnation = incarnation
		require.Equal(t, id, must(b, schemas.JoinWorker, req).ID)
	}
	require.Equal(t, 4, b.recorded(id).TotalCapacity)
	for _, op := range []schemas.Operation[schemas.RegisterWorkerRequest, hodei.Worker]{schemas.JoinWorker, schemas.RegisterWorker} {
		_, err := ask(b, op, schemas.RegisterWorkerRequest{ID: &hodei.WorkerID{}, Type: "shell", Capacity: 4})
		require.ErrorContains(t, err, "id: must not be zero")
	}

	e := other.given()
	for name, as := range map[string]func() error{
		"join": func() error {
			_, err := rpc.CallWorker(t.Context(), b.nc, schemas.JoinWorker, id,
				schemas.RegisterWorkerRequest{ID: &other.id, Type: "shell", Capacity: 4, Incarnation: "stolen"})
			return err
		},
		"leave": func() error {
			_, err := rpc.CallWorker(t.Context(), b.nc, schemas.LeaveWorker, id, schemas.LeaveRequest{WorkerID: other.id, Incarnation: other.report.Incarnation})
			return err
		},
		"finish": func() error {
			_, err := rpc.CallWorker(t.Context(), b.nc, schemas.FinishExecutions, id,
				schemas.FinishRequest{WorkerID: other.id, Ends: []schemas.End{other.ended(e.ID, 0)}})
			return err
		},
	} {
		require.ErrorIs(t, as(), hodei.Forbidden, name)
	}
	require.Equal(t, hodei.Running, b.execution(e.ID).Status)
	require.Equal(t, hodei.WorkerAvailable, b.recorded(id).Status)
}

func TestStraysAreStopped(t *testing.T) {
	t.Parallel()
	b := start(t)
	h := b.worker()
	ended := h.given()
	kept := h.given()
	_, _, err := b.db.FinishExecution(t.Context(), ended.ID, h.id, h.ended(ended.ID, 0).Outcome)
	require.NoError(t, err)
	h.keepReporting() // both run
	h.awaitInterrupt(ended.ID, hodei.ReasonWorkerLost)
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, i := range h.interrupted {
		require.NotEqual(t, kept.ID, i.ExecutionID)
	}
}

// frozen makes the worker answer nothing, like a stopped process. Requests to it arrive.
func (h *hand) frozen() (interrupts *nats.Subscription) {
	h.b.t.Helper()
	h.stop()
	interrupts, err := h.b.nc.SubscribeSync(schemas.InterruptExecution.SubjectFor(h.id))
	require.NoError(h.b.t, err)
	require.NoError(h.b.t, h.b.nc.Flush())
	return interrupts
}

// TestAFrozenWorkerDelaysNoLoss: a pass that waited for each interrupt would count as a
// suspension of the manager, and restart the count of every worker's silence.
func TestAFrozenWorkerDelaysNoLoss(t *testing.T) {
	t.Parallel()
	b := start(t, func(c *Config) { c.LostAfter = 4 * probeTimeout })
	frozen, dead := b.worker(), b.worker()
	lost := dead.given()
	for range 3 {
		e := frozen.given()
		_, err := b.db.RequestCancel(t.Context(), e.ID)
		require.NoError(t, err)
	}
	interrupts := frozen.frozen()
	for range 2 { // passes that wait for it
		_, err := interrupts.NextMsg(30 * time.Second)
		require.NoError(t, err)
	}
	dead.silent()
	began := time.Now()
	require.Equal(t, hodei.ReasonWorkerLost, *b.becomes(lost.ID, hodei.Failed).Reason)
	require.Less(t, time.Since(began), b.cfg.LostAfter, "the count of its silence restarted")
}

func TestDrainAndResume(t *testing.T) {
	t.Parallel()
	b := start(t)
	h := b.worker()
	h.given()
	seconds := 30.0
	for range 2 {
		w := must(b, schemas.DrainWorker, schemas.DrainWorkerRequest{ID: h.id, DeadlineSeconds: &seconds})
		require.Equal(t, hodei.WorkerDraining, w.Status)
		require.Equal(t, 1, w.Running)
	}
	require.Equal(t, hodei.WorkerDraining, b.recorded(h.id).Status)
	require.Equal(t, seconds, *h.commands[1].DeadlineSeconds)
	h.reportAfter(func(a *hodei.Availability) { a.Status = hodei.WorkerDraining })

	w := must(b, schemas.ResumeWorker, schemas.ResumeWorkerRequest{ID: h.id})
	require.Equal(t, hodei.WorkerBusy, w.Status)
	h.reportAfter(func(a *hodei.Availability) { a.Status = hodei.WorkerBusy })
	b.records(h.id, hodei.WorkerBusy)

	h.refuse = hodei.Errorf(hodei.Conflict, "Worker is terminating")
	_, err := ask(b, schemas.DrainWorker, schemas.DrainWorkerRequest{ID: h.id})
	require.ErrorIs(t, err, hodei.Conflict)
	require.Equal(t, hodei.WorkerBusy, b.recorded(h.id).Status, "the worker decides")

	h.stop()
	_, err = ask(b, schemas.DrainWorker, schemas.DrainWorkerRequest{ID: h.id})
	require.ErrorIs(t, err, hodei.Conflict)
	require.ErrorContains(t, err, "not connected")
	require.Equal(t, h.id.String(), hodei.AsError(err).ResourceID)
	_, err = ask(b, schemas.ResumeWorker, schemas.ResumeWorkerRequest{ID: h.id})
	require.ErrorIs(t, err, hodei.Conflict)
	h.id[3]++
	_, err = ask(b, schemas.DrainWorker, schemas.DrainWorkerRequest{ID: h.id})
	require.ErrorIs(t, err, hodei.NotFound)
}

// TestCordon: the record has the cordon, through restarts of the worker, and the
// worker is commanded, at once or when it is back.
func TestCordon(t *testing.T) {
	t.Parallel()
	b := start(t)
	h := b.worker()
	cordon := func(op schemas.Operation[schemas.CordonWorkerRequest, hodei.Worker]) (hodei.Worker, error) {
		return ask(b, op, schemas.CordonWorkerRequest{ID: h.id})
	}
	w, err := cordon(schemas.CordonWorker)
	require.NoError(t, err)
	require.True(t, w.Cordoned)
	require.Equal(t, hodei.WorkerAvailable, w.Status)
	require.Contains(t, h.commanded(), schemas.Cordon) // twice, if the reconciler passes in between
	w = must(b, schemas.RegisterWorker, schemas.RegisterWorkerRequest{ID: &h.id, Type: "shell", Capacity: 4, Incarnation: h.latest().Incarnation})
	require.True(t, w.Cordoned, "a worker that is started again learns it")
	require.True(t, b.recorded(h.id).Cordoned)

	h.stop()
	w = must(b, schemas.UncordonWorker, schemas.UncordonWorkerRequest{ID: h.id})
	require.False(t, w.Cordoned, "recorded, although the worker does not answer")
	h.answer()
	h.reportAfter(nil)
	h.keepReporting()
	b.until("it is commanded when it is back", func() bool { return slices.Contains(h.commanded(), schemas.Uncordon) })
	require.NotNil(t, h.lastCommand().Revision, "a later command of a user overrides a repeated one")

	must(b, schemas.TerminateWorker, schemas.TerminateWorkerRequest{ID: h.id})
	must(b, schemas.LeaveWorker, schemas.LeaveRequest{WorkerID: h.id, Incarnation: h.latest().Incarnation})
	_, err = cordon(schemas.CordonWorker)
	require.ErrorIs(t, err, hodei.Conflict)
	h.id[3]++
	_, err = cordon(schemas.CordonWorker)
	require.ErrorIs(t, err, hodei.NotFound)
}

func TestTerminate(t *testing.T) {
	t.Parallel()
	b := start(t)
	h := b.worker()
	w := must(b, schemas.TerminateWorker, schemas.TerminateWorkerRequest{ID: h.id})
	require.Equal(t, hodei.WorkerTerminating, w.Status)
	require.Equal(t, hodei.WorkerTerminating, b.recorded(h.id).Status)
	_, err := ask(b, schemas.DrainWorker, schemas.DrainWorkerRequest{ID: h.id})
	require.ErrorIs(t, err, hodei.Conflict)
	_, err = ask(b, schemas.ResumeWorker, schemas.ResumeWorkerRequest{ID: h.id})
	require.ErrorIs(t, err, hodei.Conflict)
	require.Equal(t, []string{schemas.Terminate}, h.commanded())
}

func TestTerminateOfAnUnconnectedWorker(t *testing.T) {
	t.Parallel()
	b := start(t)
	h := b.worker()
	e := h.given()
	h.stop()
	for range 2 {
		w := must(b, schemas.TerminateWorker, schemas.TerminateWorkerRequest{ID: h.id})
		require.Equal(t, hodei.WorkerTerminated, w.Status)
	}
	_, err := ask(b, schemas.ResumeWorker, schemas.ResumeWorkerRequest{ID: h.id})
	require.ErrorIs(t, err, hodei.Conflict)
	require.Equal(t, hodei.Running, b.execution(e.ID).Status, "its silence has not lasted")
	h.silent()
	require.Equal(t, hodei.ReasonWorkerLost, *b.becomes(e.ID, hodei.Failed).Reason)

	h.answer()
	h.keepReporting()
	b.until("it receives the command when it returns", func() bool { return len(h.commanded()) > 0 })
	require.Equal(t, schemas.Terminate, h.commanded()[0])
	require.Equal(t, hodei.WorkerTerminated, b.recorded(h.id).Status)
}

func TestTheRecordFollowsTheWorkersReport(t *testing.T) {
	t.Parallel()
	b := start(t, func(c *Config) { c.Reconcile = time.Hour }) // at once, not at the next pass
	h := b.worker()
	h.reportAfter(func(a *hodei.Availability) { a.Status = hodei.WorkerDraining })
	b.records(h.id, hodei.WorkerDraining)
	h.reportAfter(func(a *hodei.Availability) { a.Status = hodei.WorkerTerminating })
	b.records(h.id, hodei.WorkerTerminating)
}

func TestListsByStateFillTheirPages(t *testing.T) {
	t.Parallel()
	b := start(t)
	want := map[hodei.WorkerStatus][]hodei.WorkerID{}
	states := hodei.WorkerTransitions.States()
	for i := range 4 * len(states) {
		h := b.registered()
		status := states[i%len(states)]
		want[status] = append([]hodei.WorkerID{h.id}, want[status]...) // newest first
		switch status {
		case hodei.WorkerOffline, hodei.WorkerTerminated:
			must(b, schemas.LeaveWorker, schemas.LeaveRequest{WorkerID: h.id, Incarnation: h.report.Incarnation, Killed: status == hodei.WorkerOffline})
		case hodei.WorkerBusy:
			h.answer()
			h.reportAfter(nil)
			h.given()
		default:
			h.reportAfter(func(a *hodei.Availability) { a.Status = status })
			b.records(h.id, recordedStatus(status))
		}
	}
	for _, status := range states {
		for _, size := range []int{1, 3, 4, 5} {
			t.Run(fmt.Sprint(status, " by ", size), func(t *testing.T) {
				var got []hodei.WorkerID
				req := schemas.ListWorkersRequest{Status: schemas.OneOf[hodei.WorkerStatus]{status}, Page: schemas.Page{Limit: size}}
				for pages := 1; ; pages++ {
					page := must(b, schemas.ListWorkers, req)
					for _, w := range page.Items {
						require.Equal(t, status, w.Status)
						got = append(got, w.ID)
					}
					if page.NextCursor == nil {
						require.Equal(t, (4+size-1)/size, pages)
						break
					}
					require.Len(t, page.Items, size)
					req.Cursor = *page.NextCursor
				}
				require.Equal(t, want[status], got)
			})
		}
	}
	var several []hodei.WorkerID
	for _, w := range must(b, schemas.ListWorkers, schemas.ListWorkersRequest{Status: schemas.OneOf[hodei.WorkerStatus]{"busy", "draining"}}).Items {
		several = append(several, w.ID)
	}
	require.ElementsMatch(t, append(slices.Clone(want[hodei.WorkerBusy]), want[hodei.WorkerDraining]...), several)
	third := must(b, schemas.GetWorker, schemas.GetWorkerRequest{ID: want[states[2]][len(want[states[2]])-1]}).RegisteredAt
	after := must(b, schemas.ListWorkers, schemas.ListWorkersRequest{Created: schemas.Created{CreatedAfter: &third}, Page: schemas.Page{Limit: 100}})
	before := must(b, schemas.ListWorkers, schemas.ListWorkersRequest{Created: schemas.Created{CreatedBefore: &third}, Page: schemas.Page{Limit: 100}})
	require.Len(t, after.Items, 4*len(states)-2, "the third worker and the later ones")
	require.Len(t, before.Items, 2)
	all := must(b, schemas.ListWorkers, schemas.ListWorkersRequest{Page: schemas.Page{Limit: 10}})
	require.Len(t, all.Items, 10)
	require.NotNil(t, all.NextCursor)
}
