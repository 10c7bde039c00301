package worker

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
)

// command sends a command to the worker.
func (f *fleet) command(do string, deadline ...float64) error {
	req := schemas.CommandWorkerRequest{Do: do}
	if len(deadline) > 0 {
		req.DeadlineSeconds = &deadline[0]
	}
	_, err := rpc.CallWorker(f.t.Context(), f.nc, schemas.CommandWorker, f.ID(), req)
	return err
}

func (f *fleet) status(want hodei.WorkerStatus) hodei.Availability {
	f.t.Helper()
	return f.availability(string(want), func(a hodei.Availability) bool { return a.Status == want })
}

func TestDrainByCommandFinishesWhatRunsAndLeaves(t *testing.T) {
	t.Parallel()
	f := start(t)
	gate := fifo(t)
	id := f.run(f.request("cat < " + gate + "; seq 500"))
	require.NoError(t, f.command(schemas.Drain))
	require.NoError(t, f.command(schemas.Drain))
	f.status(hodei.WorkerDraining)
	require.Equal(t, schemas.RefusedDraining, *f.ask(f.request("true")).Refused)
	open(t, gate)
	end, lines := f.end(id)
	require.Equal(t, hodei.Completed, end.Status)
	require.Len(t, lines, 500)
	require.NoError(t, receive(t, f.done, "left"))
	require.Equal(t, []schemas.LeaveRequest{{WorkerID: f.ID(), Incarnation: f.incarnation}}, f.manager.departures())
	require.ErrorIs(t, f.command(schemas.Resume), hodei.Unavailable)
}

func TestDrainOfAnIdleWorkerIsAnsweredAndEndsIt(t *testing.T) {
	t.Parallel()
	f := start(t)
	require.NoError(t, f.command(schemas.Drain, 3600))
	require.NoError(t, receive(t, f.done, "left"))
	require.Len(t, f.manager.departures(), 1)
	require.ErrorContains(t, f.slots.resume(), "has left")
	require.NoError(t, f.slots.drain(nil), "that is what it did")
}

func TestResumeTakesWorkAgain(t *testing.T) {
	t.Parallel()
	f := start(t)
	require.NoError(t, f.command(schemas.Resume), "nothing to resume")
	gate := fifo(t)
	id := f.run(f.request("cat < " + gate))
	require.NoError(t, f.command(schemas.Drain, 3600))
	f.status(hodei.WorkerDraining)
	require.NoError(t, f.command(schemas.Resume))
	f.status(hodei.WorkerBusy)
	f.outcome(f.request("true"))
	open(t, gate)
	f.end(id)
	f.status(hodei.WorkerAvailable)
	require.Empty(t, f.manager.departures())
	f.outcome(f.request("true"))
}

func TestCordonedWorkerRefusesAndStays(t *testing.T) {
	t.Parallel()
	f := start(t)
	gate := fifo(t)
	id := f.run(f.request("cat < " + gate))
	for range 2 {
		require.NoError(t, f.command(schemas.Cordon))
	}
	a := f.availability("cordoned", func(a hodei.Availability) bool { return a.Cordoned })
	require.Equal(t, hodei.WorkerBusy, a.Status)
	require.Equal(t, schemas.RefusedCordoned, *f.ask(f.request("true")).Refused)
	require.NoError(t, f.command(schemas.Drain, 3600))
	require.NoError(t, f.command(schemas.Resume))
	require.Equal(t, schemas.RefusedCordoned, *f.ask(f.request("true")).Refused, "resume ends the drain, not the cordon")
	open(t, gate)
	f.end(id)
	f.status(hodei.WorkerAvailable)
	require.Empty(t, f.manager.departures())
	require.NoError(t, f.command(schemas.Uncordon))
	f.availability("uncordoned", func(a hodei.Availability) bool { return !a.Cordoned })
	f.outcome(f.request("true"))
}

// TestARepeatedUncordonKeepsALaterCordon: the manager repeats a command by an older report
// of the worker, while the user sends the next one.
func TestARepeatedUncordonKeepsALaterCordon(t *testing.T) {
	t.Parallel()
	f := start(t)
	repeat := func(do string, revision uint64) (cordoned bool) {
		a, err := rpc.CallWorker(t.Context(), f.nc, schemas.CommandWorker, f.ID(), schemas.CommandWorkerRequest{Do: do, Revision: &revision})
		require.NoError(t, err)
		return a.Cordoned
	}
	require.NoError(t, f.command(schemas.Cordon))
	old := f.availability("cordoned", func(a hodei.Availability) bool { return a.Cordoned })
	require.NoError(t, f.command(schemas.Uncordon))
	require.NoError(t, f.command(schemas.Cordon))
	require.True(t, repeat(schemas.Uncordon, old.Revision))
	latest := f.availability("cordoned again", func(a hodei.Availability) bool { return a.Revision >= old.Revision+2 })
	require.False(t, repeat(schemas.Uncordon, latest.Revision), "the worker missed that one")
}

func TestDedicatedWorkerAcceptsOnlyItsType(t *testing.T) {
	t.Parallel()
	f := start(t, func(cfg *Config) { cfg.Type, cfg.Dedicated = "rust", true })
	f.availability("dedicated", func(a hodei.Availability) bool { return a.Dedicated })
	require.True(t, f.manager.registered[0].Dedicated)
	require.Equal(t, schemas.RefusedDedicated, *f.ask(f.request("true")).Refused)
	for kind, refused := range map[string]bool{"go": true, "rust": false} {
		req := f.request("true")
		req.Requirements.Type = &kind
		if refused {
			require.Equal(t, schemas.RefusedDedicated, *f.ask(req).Refused)
		} else {
			f.outcome(req)
		}
	}
}

func TestDrainDeadlineEndsWhatStillRuns(t *testing.T) {
	t.Parallel()
	f := start(t)
	id := f.run(f.request(`trap "" TERM; echo up; while :; do sleep 0.05; done`))
	f.manager.await(t, "up", func() bool { return len(f.manager.logs[id]) == 1 })
	require.NoError(t, f.command(schemas.Drain, 3600))
	require.NoError(t, f.command(schemas.Drain, 0.2), "the last deadline counts")
	require.NoError(t, receive(t, f.done, "left"))
	end, _ := f.end(id)
	require.Equal(t, hodei.Failed, end.Status)
	require.Equal(t, hodei.ReasonWorkerTerminated, *end.Reason)
	require.Equal(t, "SIGKILL", *end.Signal)
	require.Len(t, f.manager.departures(), 1)
}

func TestTerminateByCommandHasNoWayBack(t *testing.T) {
	t.Parallel()
	f := start(t)
	id := f.run(f.request(`trap "" TERM; echo up; while :; do sleep 0.05; done`))
	f.manager.await(t, "up", func() bool { return len(f.manager.logs[id]) == 1 })
	require.NoError(t, f.command(schemas.Terminate))
	require.NoError(t, f.command(schemas.Terminate))
	require.ErrorIs(t, f.command(schemas.Resume), hodei.Conflict)
	require.ErrorIs(t, f.command(schemas.Drain, 3600), hodei.Conflict)
	f.drain() // like SIGTERM
	f.status(hodei.WorkerTerminating)
	require.NoError(t, receive(t, f.done, "left"))
	end, _ := f.end(id)
	require.Equal(t, hodei.ReasonWorkerTerminated, *end.Reason)
}

func TestAStoppedWorkerDoesNotResume(t *testing.T) {
	t.Parallel()
	f := start(t)
	gate := fifo(t)
	id := f.run(f.request("cat < " + gate))
	require.NoError(t, f.command(schemas.Drain))
	f.drain() // like SIGTERM, while drained by command
	require.Eventually(t, func() bool {
		f.slots.mu.Lock()
		defer f.slots.mu.Unlock()
		return f.slots.final
	}, time.Minute, time.Millisecond)
	require.ErrorIs(t, f.command(schemas.Resume), hodei.Conflict)
	require.NoError(t, f.command(schemas.Drain, 3600))
	open(t, gate)
	end, _ := f.end(id)
	require.Equal(t, hodei.Completed, end.Status)
	require.NoError(t, receive(t, f.done, "left"))
}

func TestWithoutGraceACommandIsKilledAtOnce(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *Config) { c.Grace = -1 })
	id := f.run(f.request(`trap "" TERM; echo up; while :; do sleep 0.05; done`))
	f.manager.await(t, "up", func() bool { return len(f.manager.logs[id]) == 1 })
	require.NoError(t, f.interrupt(id, hodei.ReasonCancelled))
	end, _ := f.end(id)
	require.Equal(t, hodei.Cancelled, end.Status)
	require.Equal(t, "SIGKILL", *end.Signal)
}

// TestTheWholeGroupHasTheGrace: a shell dies of SIGTERM at once; its children
// may still clean up.
func TestTheWholeGroupHasTheGrace(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *Config) { c.Grace = time.Hour }) // the test ends before
	child := `sh -c 'trap "sleep 1.5; echo cleaned; exit" TERM; echo up; while :; do sleep 0.05; done'`
	id := f.run(f.request(child + ` & wait`))
	f.manager.await(t, "up", func() bool { return len(f.manager.logs[id]) == 1 })
	require.NoError(t, f.interrupt(id, hodei.ReasonCancelled))
	end, lines := f.end(id)
	require.Equal(t, hodei.Cancelled, end.Status)
	require.Equal(t, "SIGTERM", *end.Signal)
	require.Equal(t, []string{"up", "cleaned"}, texts(lines, hodei.Stdout))
}
