package worker

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
	"github.com/hodei-jobs/hodei/worker/joblog"
)

func TestLostChunksAreSentAgain(t *testing.T) {
	t.Parallel()
	f := start(t)
	seen := map[int64]int{}
	f.manager.lose = func(first int64) bool { seen[first]++; return seen[first] == 1 && len(seen)%2 == 0 }
	_, lines := f.outcome(f.request("seq 10000"))
	require.Len(t, lines, 10_000)
	require.Greater(t, f.manager.chunks, len(seen), "something was lost, and sent again")
}

func TestNATSRestartsInMidRun(t *testing.T) {
	t.Parallel()
	f, down, up := startRestartable(t)
	before, while := fifo(t), fifo(t)
	id := f.run(f.request(`seq 1 1000; cat < ` + before + `; seq 1001 20000; cat < ` + while + `; seq 20001 21000`))
	f.manager.await(t, "first lines", func() bool { return len(f.manager.logs[id]) > 0 })
	down()
	open(t, before) // prints while disconnected
	open(t, while)  // and ends while disconnected
	require.Eventually(t, func() bool { free, _ := f.slots.current(); return free == 4 }, time.Minute, time.Millisecond)
	up()

	end, lines := f.end(id)
	require.Equal(t, hodei.Completed, end.Status)
	require.Len(t, lines, 21_000)
	for i, line := range lines {
		require.Equal(t, strconv.Itoa(i+1), line.Line)
	}
	f.availability("the key is written again", func(a hodei.Availability) bool { return a.Free == 4 && len(a.Running) == 0 && a.Revision > 1 })
	f.drain()
	require.NoError(t, receive(t, f.done, "drained"))
}

func TestSpoolSpillsAndThenSlowsTheCommand(t *testing.T) {
	t.Parallel()
	const lines = 52_632 // base64 writes 76 characters a line
	f := start(t, func(c *Config) { c.SpoolMemory, c.SpoolDisk = 128<<10, 256<<10 })
	f.manager.mute = true
	done := filepath.Join(t.TempDir(), "done")
	id := f.run(f.request(`head -c 3000000 /dev/urandom | base64; touch ` + done))
	require.Eventually(t, f.spool.Full, time.Minute, time.Millisecond)
	require.FileExists(t, filepath.Join(f.state.spool, id.String()))

	_, err := os.Stat(done)
	require.ErrorIs(t, err, os.ErrNotExist, "the command waits")
	inMemory, onDisk := f.spool.Held()
	require.LessOrEqual(t, inMemory, f.cfg.SpoolMemory)
	require.LessOrEqual(t, onDisk, f.cfg.SpoolDisk+2*joblog.ChunkBytes, "the last chunk, and lines cut by their time")

	f.manager.mu.Lock()
	f.manager.mute = false
	f.manager.mu.Unlock()
	end, got := f.end(id)
	require.Equal(t, hodei.Completed, end.Status)
	require.Len(t, got, lines)
	require.FileExists(t, done)
	f.availability("nothing is held", func(a hodei.Availability) bool { return len(a.Running) == 0 && a.Revision > 1 })
	require.NoFileExists(t, filepath.Join(f.state.spool, id.String()))
	f.spoolIsEmpty()
}

// TestAFullDiskSlowsTheCommandAndLosesNothing: every write to the spool fails,
// as on a full disk, or the spool directory is missing.
func TestAFullDiskSlowsTheCommandAndLosesNothing(t *testing.T) {
	t.Parallel()
	const lines = 52_632 // as above
	for name, spoil := range map[string]func(t *testing.T, spool, file string){
		"full": func(t *testing.T, _, file string) { require.NoError(t, os.Symlink("/dev/full", file)) },
		"gone": func(t *testing.T, spool, _ string) { require.NoError(t, os.Remove(spool)) },
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t, func(c *Config) { c.SpoolMemory, c.SpoolDisk = 128<<10, 1<<30 })
			f.manager.mute = true
			done := filepath.Join(t.TempDir(), "done")
			req := f.request(`head -c 3000000 /dev/urandom | base64; touch ` + done)
			spoil(t, f.state.spool, filepath.Join(f.state.spool, req.ExecutionID.String()))
			id := f.run(req)
			require.Eventually(t, f.spool.Full, time.Minute, time.Millisecond)
			require.NoFileExists(t, done, "the command waits")
			inMemory, onDisk := f.spool.Held()
			require.Zero(t, onDisk)
			require.LessOrEqual(t, inMemory, f.cfg.SpoolMemory+2*joblog.ChunkBytes, "the last chunk, and lines cut by their time")

			f.manager.mu.Lock()
			f.manager.mute = false
			f.manager.mu.Unlock()
			end, got := f.end(id)
			require.Equal(t, hodei.Completed, end.Status)
			require.Len(t, got, lines)
			require.FileExists(t, done)
			f.availability("nothing is held", func(a hodei.Availability) bool { return len(a.Running) == 0 && a.Revision > 1 })
			f.spoolIsEmpty()
		})
	}
}

func TestACommandHeldBackCanBeGivenUp(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *Config) { c.SpoolMemory, c.SpoolDisk = 2*joblog.ChunkBytes, 64<<10 })
	f.manager.mute = true
	id := f.run(f.request("yes"))
	require.Eventually(t, f.spool.Full, time.Minute, time.Millisecond)
	require.NoError(t, f.interrupt(id, hodei.ReasonWorkerLost))
	f.availability("nothing is held", func(a hodei.Availability) bool { return a.Free == 4 && len(a.Running) == 0 && a.Revision > 1 })
	require.False(t, f.spool.Full())
}

func TestAnEndThatIsRefusedIsDropped(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.manager.refuseEnds = hodei.Errorf(hodei.Conflict, "It has ended otherwise")
	id := f.run(f.request("true"))
	f.end(id)
	f.availability("nothing is held", func(a hodei.Availability) bool { return len(a.Running) == 0 && a.Revision > 1 })
	f.drain()
	require.NoError(t, receive(t, f.done, "drained"))
	require.Len(t, f.manager.ends[id], 1)
}

func TestAnEndIsReportedUntilItIsRecorded(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.manager.refuseEnds = hodei.Errorf(hodei.Unavailable, "Postgres is away")
	id := f.run(f.request("true"))
	f.manager.await(t, "reported three times", func() bool { return len(f.manager.ends[id]) == 3 })
	held := f.availability("slots are free, the run is held", func(a hodei.Availability) bool { return a.Free == 4 && len(a.Running) == 1 })
	require.Equal(t, []hodei.ExecutionID{id}, held.Running)
	f.manager.mu.Lock()
	f.manager.refuseEnds = nil
	f.manager.mu.Unlock()
	f.availability("nothing is held", func(a hodei.Availability) bool { return len(a.Running) == 0 && a.Revision > held.Revision })
}

// TestATerminatedWorkerKeepsWhatIsNotRecorded: the worker manager takes an execution that
// is missing in a report for one that has not started, and starts it again.
func TestATerminatedWorkerKeepsWhatIsNotRecorded(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *Config) { c.reportWithin = 100 * time.Millisecond })
	f.outcome(f.request("true"))
	f.availability("nothing is held", func(a hodei.Availability) bool { return len(a.Running) == 0 && a.Revision > 1 })
	f.manager.mu.Lock()
	f.manager.refuseEnds = hodei.Errorf(hodei.Unavailable, "Postgres is away")
	f.manager.mu.Unlock()
	ran, killed := f.run(f.request("true")), f.run(f.request("sleep 3600"))
	f.Terminate()
	require.NoError(t, receive(t, f.done, "left"))
	last := f.Worker.availability()
	require.Equal(t, hodei.WorkerTerminating, last.Status)
	require.ElementsMatch(t, []hodei.ExecutionID{ran, killed}, last.Running)
	f.spoolIsEmpty()
}

// TestEndsShareARequest: those that come while one is being reported are reported in one
// request, and one that is refused fails no other.
func TestEndsShareARequest(t *testing.T) {
	t.Parallel()
	f := start(t)
	m := f.manager
	m.holdEnds = true
	release := func() { defer m.change()(); m.holdEnds = false }
	defer release()
	first := f.run(f.request("true"))
	m.await(t, "the first end is sent by itself", func() bool { return len(m.together) == 1 })
	refused := f.request("exit 3")
	func() { defer m.change()(); m.refuseEnd = refused.ExecutionID }()
	others := []hodei.ExecutionID{f.run(f.request("true")), f.run(refused), f.run(f.request("true"))}
	f.availability("all have ended, none is recorded", func(a hodei.Availability) bool { return a.Free == 4 && len(a.Running) == 4 })
	require.Eventually(t, func() bool { return f.ends.Waiting() == 3 }, 30*time.Second, 5*time.Millisecond)
	release()
	f.availability("nothing is held", func(a hodei.Availability) bool { return len(a.Running) == 0 && a.Revision > 8 })
	m.mu.Lock()
	defer m.mu.Unlock()
	require.Equal(t, 1, m.together[0])
	require.Equal(t, 3, slices.Max(m.together[1:]), "%v", m.together)
	for _, id := range append(others, first) {
		require.NotEmpty(t, m.ends[id])
	}
}

// TestAChunkThatIsRefusedIsGivenUp: the record may never accept it, and the end
// must not wait for it.
func TestAChunkThatIsRefusedIsGivenUp(t *testing.T) {
	t.Parallel()
	f := start(t)
	refused := 0
	f.manager.refuse = func(first int64) bool { refused++; return first == 1 }
	f.manager.missing = true
	id := f.run(f.request("seq 2000"))
	m := f.manager
	m.await(t, "the end is final", func() bool { n := len(m.ends[id]); return n > 0 && m.ends[id][n-1].Final })
	require.Len(t, m.ends[id], 2, "nothing is left to send: one more look is enough")
	require.EqualValues(t, 2000, m.ends[id][0].Outcome.LogCount)
	require.NotContains(t, m.logs[id], int64(1))
	f.availability("nothing is held", func(a hodei.Availability) bool { return a.Free == 4 && len(a.Running) == 0 && a.Revision > 1 })
	f.spoolIsEmpty()
}

// TestAnEndDoesNotWaitForALogForEver: no chunk is ever acknowledged, although
// the record answers. A worker that terminates waits less.
func TestAnEndDoesNotWaitForALogForEver(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.manager.mute, f.manager.missing = true, true
	id := f.run(f.request("echo lost"))
	m := f.manager
	m.await(t, "the line has come", func() bool { return m.chunks > 0 })
	f.Terminate()
	require.NoError(t, receive(t, f.done, "terminated"))
	require.Len(t, m.ends[id], 4)
	for i, end := range m.ends[id] {
		require.Equal(t, i == 3, end.Final)
	}
	f.spoolIsEmpty()
}

// TestEffortIsBoundedByAnswersWithoutProgress: the worker waits for a log that
// makes progress.
func TestEffortIsBoundedByAnswersWithoutProgress(t *testing.T) {
	var e effort
	require.False(t, e.spent())
	for unstored := 100; unstored > 0; unstored -= 10 {
		e.add(unstored)
		require.False(t, e.spent())
	}
	e.add(10)
	require.False(t, e.spent())
	e.add(10)
	require.True(t, e.spent())
	e = effort{}
	e.add(0)
	require.True(t, e.spent(), "nothing is left to send")
}

func TestKilledWorkerLeavesNothingRunning(t *testing.T) {
	t.Parallel()
	f, process := startProcess(t)
	// One child in its group, one that ignores TERM, one that left the group.
	id := f.run(f.request(`trap "" TERM; sleep 1000 & echo child $!; wait`))
	escaped := f.run(f.request(`setsid sleep 1000 >/dev/null 2>&1 & echo child $!; wait`))
	f.manager.await(t, "both run", func() bool { return len(f.manager.logs[id]) == 1 && len(f.manager.logs[escaped]) == 1 })
	require.NoError(t, process.Kill())

	requireGone(t, childIn(t, f.log(id)))
	requireGone(t, childIn(t, f.log(escaped)))
	f.manager.await(t, "the reaper reports", func() bool { return len(f.manager.left) == 1 })
	require.Equal(t, schemas.LeaveRequest{WorkerID: f.id, Incarnation: f.incarnation, Killed: true}, f.manager.departures()[0])
}

// TestTheNextWorkerKillsOrphans: if the reaper is killed too, the
// commands run until the next worker of the same directory starts, before it
// registers.
func TestTheNextWorkerKillsOrphans(t *testing.T) {
	t.Parallel()
	f, process := startProcess(t)
	id := f.run(f.request(`echo child $$; exec sleep 1000`))
	escaped := f.run(f.request(`setsid sleep 1000 >/dev/null 2>&1 & echo child $!; wait`))
	f.manager.await(t, "both run", func() bool { return len(f.manager.logs[id]) == 1 && len(f.manager.logs[escaped]) == 1 })
	require.NoError(t, process.Signal(syscall.SIGSTOP)) // otherwise it would start another reaper
	killReaper(t, process.Pid)
	require.NoError(t, process.Kill())
	_, err := process.Wait() // until then it holds the directory
	require.NoError(t, err)
	left := []int{childIn(t, f.log(id)), childIn(t, f.log(escaped))}
	require.NoError(t, syscall.Kill(left[0], 0), "it still runs")

	dir := f.cfg.StateDir
	f.launch(func(c *Config) { c.StateDir = dir })
	for _, pid := range left {
		requireGone(t, pid)
	}
	f.drain()
	require.NoError(t, receive(t, f.done, "drained"))
	require.NoFileExists(t, filepath.Join(dir, "tag"), "a worker that ended by itself has left nothing to kill")
}

// killReaper kills the one reaper among the children of a process.
func killReaper(t *testing.T, of int) {
	t.Helper()
	paths, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", of))
	require.NoError(t, err)
	killed := 0
	for _, path := range paths {
		children, err := os.ReadFile(path)
		require.NoError(t, err)
		for pid := range strings.FieldsSeq(string(children)) {
			line, err := os.ReadFile("/proc/" + pid + "/cmdline")
			require.NoError(t, err)
			if strings.HasSuffix(string(line), "\x00reaper\x00") {
				n, err := strconv.Atoi(pid)
				require.NoError(t, err)
				require.NoError(t, syscall.Kill(n, syscall.SIGKILL))
				killed++
			}
		}
	}
	require.Equal(t, 1, killed)
}
