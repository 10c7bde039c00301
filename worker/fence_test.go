package worker

import (
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/kv"
	"github.com/hodei-jobs/hodei/schemas"
	"github.com/hodei-jobs/hodei/worker/mark"
	"github.com/hodei-jobs/hodei/worker/reaper"
)

func TestFencesComeInTimeButNotBefore(t *testing.T) {
	t.Parallel()
	durations := func(least, most time.Duration) *rapid.Generator[time.Duration] {
		return rapid.Custom(func(t *rapid.T) time.Duration {
			return time.Duration(rapid.Int64Range(int64(least), int64(most)).Draw(t, "ns"))
		})
	}
	rapid.Check(t, func(t *rapid.T) {
		lostAfter := durations(time.Millisecond, 24*time.Hour).Draw(t, "lost after")
		grace := durations(0, time.Hour).Draw(t, "grace")
		f := newFence(lostAfter, grace)
		require.Positive(t, f.term)
		require.LessOrEqual(t, f.term, f.kill)
		require.Less(t, f.kill, f.reap, "the reaper leaves it to the worker first")
		require.Less(t, f.reap, lostAfter)
		require.LessOrEqual(t, f.kill-f.term, grace, "no process gets more than the grace")
		require.GreaterOrEqual(t, f.term, lostAfter*2/3, "renewals may fail for a while")
		require.LessOrEqual(t, lostAfter-f.kill, fenceMargin, "nothing is ended much too early")

		longer := newFence(lostAfter+durations(0, time.Hour).Draw(t, "longer"), grace)
		require.GreaterOrEqual(t, longer.term, f.term)
		require.GreaterOrEqual(t, longer.kill, f.kill)
		politer := newFence(lostAfter, grace+durations(0, time.Hour).Draw(t, "politer"))
		require.LessOrEqual(t, politer.term, f.term)
		require.Equal(t, f.kill, politer.kill)
	})
	require.Equal(t, fence{term: 33 * time.Second, kill: 43 * time.Second, reap: 44 * time.Second}, newFence(45*time.Second, 10*time.Second))
}

// fenced returns a request for an execution that may be restarted after this
// silence.
func (f *fleet) fenced(lostAfter time.Duration, command string) schemas.ExecutionRequest {
	req := f.request(command)
	req.LostAfterSeconds = new(lostAfter.Seconds())
	return req
}

const stubborn = `trap "" TERM; (setsid sh -c 'trap "" TERM; echo child $$; exec sleep 1000 >/dev/null 2>&1' &); while :; do sleep 0.05; done`

func TestOnlyRestartableExecutionsAreStoppedWithoutContact(t *testing.T) {
	t.Parallel()
	f, down, up := startRestartable(t)
	gate := fifo(t)
	alone := f.run(f.request(`cat < ` + gate + `; echo done`))
	again := f.run(f.fenced(3*time.Second, stubborn))
	f.manager.await(t, "it runs", func() bool { return len(f.manager.logs[again]) == 1 })
	child := childIn(t, f.log(again))
	down()
	require.Eventually(t, func() bool { free, _ := f.slots.current(); return free == 3 }, time.Minute, time.Millisecond)
	requireGone(t, child)
	require.Empty(t, mark.Execution(f.tag, again).Bearers())
	require.NotEmpty(t, mark.Execution(f.tag, alone).Bearers(), "it will not be restarted")

	up()
	end, _ := f.end(again)
	require.Equal(t, hodei.Failed, end.Status)
	require.Equal(t, hodei.ReasonWorkerLost, *end.Reason)
	require.Equal(t, "SIGKILL", *end.Signal)
	open(t, gate)
	end, lines := f.end(alone)
	require.Equal(t, hodei.Completed, end.Status)
	require.Len(t, lines, 1)
}

func TestAFenceNeverComesWhileTheLinkHolds(t *testing.T) {
	t.Parallel()
	f := start(t)
	gate := fifo(t)
	before := reaper.Uptime()
	id := f.run(f.fenced(3*time.Second, `cat < `+gate))
	require.Eventually(t, func() bool { return f.contact.last() > before+5*time.Second }, time.Minute, time.Millisecond,
		"the key is renewed all the more often")
	open(t, gate)
	end, _ := f.end(id)
	require.Equal(t, hodei.Completed, end.Status)
}

// TestASilentWorkerRefusesRestartableExecutions: offers arrive, but the
// worker's report is not stored.
func TestASilentWorkerRefusesRestartableExecutions(t *testing.T) {
	t.Parallel()
	f := start(t)
	held := f.run(f.fenced(2*time.Second, stubborn))
	require.NoError(t, f.js.DeleteKeyValue(t.Context(), schemas.WorkersBucket))
	end, _ := f.end(held)
	require.Equal(t, hodei.ReasonWorkerLost, *end.Reason)
	refused := f.ask(f.fenced(2*time.Second, "true"))
	require.False(t, refused.Accepted)
	require.Equal(t, schemas.RefusedSilent, *refused.Refused)
	f.outcome(f.request("true"))

	report, err := rpc.CallWorker(t.Context(), f.nc, schemas.GetWorkerStatus, f.ID(), schemas.Empty{})
	require.NoError(t, err)
	require.Equal(t, f.ID(), report.WorkerID)
	require.Equal(t, f.incarnation, report.Incarnation)
	require.Equal(t, 4, report.Free)
	require.NotContains(t, report.Running, held)

	require.NoError(t, kv.Setup(t.Context(), f.js, kv.Storage{}))
	require.Eventually(t, func() bool { return f.ask(f.fenced(2*time.Second, "true")).Accepted }, time.Minute, 10*time.Millisecond)
}

// TestAContactDoesNotHideTheSilenceBefore: a worker that was paused renews its
// key when it continues, possibly before any timer fires.
func TestAContactDoesNotHideTheSilenceBefore(t *testing.T) {
	t.Parallel()
	f := start(t)
	id := f.run(f.fenced(time.Minute, stubborn))
	f.contact.mu.Lock()
	f.contact.at -= time.Minute
	f.contact.mu.Unlock()
	f.contacted(reaper.Uptime())
	end, _ := f.end(id)
	require.Equal(t, hodei.ReasonWorkerLost, *end.Reason)
}

func TestThePausedWorkersReaperKeepsItsFences(t *testing.T) {
	t.Parallel()
	f, process := startProcess(t)
	gate := fifo(t)
	alone := f.run(f.request(`echo up; cat < ` + gate))
	again := f.run(f.fenced(3*time.Second, stubborn))
	f.manager.await(t, "both run", func() bool { return len(f.manager.logs[again]) == 1 && len(f.manager.logs[alone]) == 1 })
	child := childIn(t, f.log(again))
	require.NoError(t, process.Signal(syscall.SIGSTOP))
	requireGone(t, child)
	require.Eventually(t, func() bool { return len(mark.Execution(f.tag, again).Bearers()) == 0 }, time.Minute, 10*time.Millisecond)
	require.NotEmpty(t, mark.Execution(f.tag, alone).Bearers(), "it will not be restarted")
	f.manager.mu.Lock()
	require.Empty(t, f.manager.ends[again], "its worker cannot speak")
	f.manager.mu.Unlock()

	require.NoError(t, process.Signal(syscall.SIGCONT))
	end, _ := f.end(again)
	require.Equal(t, hodei.Failed, end.Status)
	require.Equal(t, hodei.ReasonWorkerLost, *end.Reason)
	require.Equal(t, "SIGKILL", *end.Signal)
	open(t, gate)
	end, _ = f.end(alone)
	require.Equal(t, hodei.Completed, end.Status)
	require.Empty(t, f.manager.departures(), "the worker was never gone")
}

// TestAPausedReaperReadsBeforeItKills: a contact that the reaper read late was
// sent in time.
func TestAPausedReaperReadsBeforeItKills(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *Config) { c.Reaper = []string{"/proc/self/exe", "reaper"} })
	gate := fifo(t)
	id := f.run(f.fenced(time.Second, `echo up; cat < `+gate))
	f.manager.await(t, "it runs", func() bool { return len(f.manager.logs[id]) == 1 })
	pid := reaperIn(t, f.cfg.StateDir)
	require.NoError(t, syscall.Kill(pid, syscall.SIGSTOP))
	paused := reaper.Uptime()
	require.Eventually(t, func() bool { return f.contact.last() > paused+2*time.Second }, time.Minute, time.Millisecond)
	require.NoError(t, syscall.Kill(pid, syscall.SIGCONT))
	// By the time that it has killed another permanently, it has read
	// everything.
	second := f.run(f.request(`echo child $$; exec sleep 1000`))
	f.manager.await(t, "it runs", func() bool { return len(f.manager.logs[second]) == 1 })
	require.NotEmpty(t, mark.Execution(f.tag, id).Bearers())
	open(t, gate)
	end, _ := f.end(id)
	require.Equal(t, hodei.Completed, end.Status)
	f.Terminate()
}

// reaperIn returns the process that writes the log of the reaper in a state directory.
func reaperIn(t *testing.T, dir string) (pid int) {
	t.Helper()
	paths, err := filepath.Glob("/proc/[0-9]*/fd/1")
	require.NoError(t, err)
	for _, path := range paths {
		if file, _ := os.Readlink(path); file == filepath.Join(dir, "reaper.log") {
			pid, err = strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
			require.NoError(t, err)
		}
	}
	require.NotZero(t, pid)
	return pid
}
