package worker

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/worker/exec/process"
)

// TestRunsLeaveNothingBehind: no files, goroutines or directories, however an
// execution ends. TestMain checks the whole package.
func TestRunsLeaveNothingBehind(t *testing.T) {
	f := start(t, func(c *Config) {
		c.Reaper = []string{"/proc/self/exe", "reaper"}
		c.SpoolMemory, c.SpoolDisk = 64<<10, 64<<20 // much is spilled
	})
	soon := 0.05
	ways := []func(){
		func() { f.outcome(f.request("true")) },
		func() { f.outcome(f.request("seq 3000; seq 3000 >&2; exit 3")) },
		func() { f.outcome(f.request("no-such-program", "x")) },
		func() { f.outcome(f.request(`sleep 1000 >/dev/null 2>&1 & exit 0`)) },
		func() {
			req := f.fenced(time.Minute, `sleep 1000`)
			req.TimeoutSeconds = &soon
			f.outcome(req)
		},
		func() {
			id := f.run(f.request("sleep 1000"))
			require.NoError(t, f.interrupt(id, hodei.ReasonCancelled))
			f.end(id)
		},
		func() {
			id := f.run(f.request("yes"))
			require.NoError(t, f.interrupt(id, hodei.ReasonWorkerLost))
		},
	}
	runs := func(n int) {
		for i := range n {
			ways[i%len(ways)]()
		}
		f.availability("nothing is held", func(a hodei.Availability) bool { return len(a.Running) == 0 && a.Revision >= f.said() })
	}
	runs(3 * len(ways)) // what is kept for the next execution
	files, goroutines := 0, 0
	require.Eventually(t, func() bool { // it uses a goroutine itself
		files, goroutines = openFiles(t), runtime.NumGoroutine()
		return true
	}, time.Minute, time.Millisecond)
	runs(300) // a goroutine left by one execution in four would show
	require.Eventually(t, func() bool { return openFiles(t) <= files }, time.Minute, 10*time.Millisecond, "of %d files", files)
	const idle = 64 // idle goroutines of the service may wait for the next request
	require.Eventually(t, func() bool { return runtime.NumGoroutine() <= goroutines+idle }, time.Minute, 10*time.Millisecond, "of %d goroutines", goroutines)
	left, err := os.ReadDir(f.state.spool)
	require.NoError(t, err)
	require.Empty(t, left)
	left, err = os.ReadDir(filepath.Join(f.state.dir, "work"))
	require.NoError(t, err)
	require.LessOrEqual(t, len(left), process.MaxSpares)
	for _, kept := range left {
		within, err := filepath.Glob(filepath.Join(f.state.dir, "work", kept.Name(), "*", "*"))
		require.NoError(t, err)
		require.Empty(t, within)
	}
	f.spoolIsEmpty()
	require.Zero(t, f.reaper.Len())
}

// said returns the worker's current revision.
func (f *fleet) said() uint64 { _, revision := f.slots.current(); return revision }

func openFiles(t *testing.T) int {
	t.Helper()
	files, err := filepath.Glob("/proc/self/fd/*")
	require.NoError(t, err)
	return len(files)
}
