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
		c.Slots = 16
		c.SpoolMemory, c.SpoolDisk = 1<<10, 64<<20 // a chunk of some size is spilled
	})
	soon := 0.05
	ways := []func() hodei.ExecutionID{
		func() hodei.ExecutionID { return f.run(f.request("true")) },
		func() hodei.ExecutionID { return f.run(f.request("seq 600; seq 600 >&2; exit 3")) },
		func() hodei.ExecutionID { return f.run(f.request("no-such-program", "x")) },
		func() hodei.ExecutionID { return f.run(f.request(`sleep 1000 >/dev/null 2>&1 & exit 0`)) },
		func() hodei.ExecutionID {
			req := f.fenced(time.Minute, `sleep 1000`)
			req.TimeoutSeconds = &soon
			return f.run(req)
		},
		func() hodei.ExecutionID {
			id := f.run(f.request("sleep 1000"))
			require.NoError(t, f.interrupt(id, hodei.ReasonCancelled))
			return id
		},
		func() hodei.ExecutionID {
			id := f.run(f.request("yes"))
			require.NoError(t, f.interrupt(id, hodei.ReasonWorkerLost))
			return hodei.ExecutionID{} // it has no end
		},
	}
	runs := func(rounds int) {
		for range rounds {
			var running []hodei.ExecutionID
			for _, way := range ways {
				running = append(running, way())
			}
			for _, id := range running {
				if !id.IsZero() {
					f.end(id)
				}
			}
		}
		f.availability("nothing is held", func(a hodei.Availability) bool { return len(a.Running) == 0 && a.Revision >= f.revision() })
	}
	runs(3) // what is kept for the next execution
	files, goroutines := 0, 0
	require.Eventually(t, func() bool { // it uses a goroutine itself
		files, goroutines = openFiles(t), runtime.NumGoroutine()
		return true
	}, time.Minute, time.Millisecond)
	runs(43) // a goroutine left by one execution in four would show
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

// revision returns the worker's current revision.
func (f *fleet) revision() uint64 { _, revision := f.slots.current(); return revision }

func openFiles(t *testing.T) int {
	t.Helper()
	files, err := filepath.Glob("/proc/self/fd/*")
	require.NoError(t, err)
	return len(files)
}
