package worker

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
)

// TestTheKernelRunsOutOfMemory causes a real OOM kill: a worker in a control
// group with little memory. What counts as an OOM kill, and what becomes of it, is
// tested without the kernel in TestOutOfMemoryIsDistinguishedFromOtherDeaths and
// TestWhyACommandEnded.
func TestTheKernelRunsOutOfMemory(t *testing.T) {
	group := memoryGroup(t, 160<<20)
	f, process := startProcess(t, "sh", "-c", `echo $$ > "$0/cgroup.procs"; exec "$@"`, group)

	end, _ := f.outcome(f.request("dd", "if=/dev/zero", "of=/dev/null", "bs=1G", "count=1"))
	require.Equal(t, hodei.Failed, end.Status)
	require.Equal(t, hodei.ReasonOutOfMemory, *end.Reason)
	require.Equal(t, "SIGKILL", *end.Signal)

	end, _ = f.outcome(f.request(`dd if=/dev/zero of=/dev/null bs=1G count=1; exit $?`))
	require.Equal(t, hodei.ReasonOutOfMemory, *end.Reason)
	require.Equal(t, 137, *end.ExitCode)

	end, _ = f.outcome(f.request("kill -KILL $$"))
	require.Equal(t, hodei.ReasonSignal, *end.Reason)
	require.NoError(t, process.Kill()) // its reaper must leave the group too
	f.manager.await(t, "the reaper reports", func() bool { return len(f.manager.left) == 1 })
}

// memoryGroup creates a control group with a memory limit until the test ends.
// If that is impossible, the test fails.
func memoryGroup(t *testing.T, limit int) string {
	t.Helper()
	group := "hodei-test-" + strconv.Itoa(os.Getpid())
	var made string
	for _, at := range []struct{ dir, limit, swap string }{
		{"/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.memsw.limit_in_bytes"},
		{"/sys/fs/cgroup", "memory.max", "memory.swap.max"},
	} {
		dir := filepath.Join(at.dir, group)
		if err := os.Mkdir(dir, 0o700); err != nil {
			continue
		}
		t.Cleanup(func() {
			require.Eventually(t, func() bool { return os.Remove(dir) == nil }, time.Minute, 10*time.Millisecond, "the group is empty in the end")
		})
		if os.WriteFile(filepath.Join(dir, at.limit), []byte(strconv.Itoa(limit)), 0o600) != nil {
			continue
		}
		swap := map[bool]string{true: "0", false: strconv.Itoa(limit)}[at.swap == "memory.swap.max"]
		if err := os.WriteFile(filepath.Join(dir, at.swap), []byte(swap), 0o600); err != nil && !errors.Is(err, fs.ErrNotExist) {
			continue
		}
		made = dir
		break
	}
	require.NotEmpty(t, made, "no memory control group can be created here: run the test as root on a machine that has them, "+
		"or leave it out with -skip "+t.Name())
	return made
}
