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

const (
	cgroup1 = "12:pids:/ci/one\n4:cpu,memory:/ci/one\n1:name=systemd:/ci/one\n0::/ci/one\n"
	cgroup2 = "0::/ci/one\n"
	// As written by Linux 6.18.
	events  = "low 0\nhigh 0\nmax 61\noom 1\noom_kill 3\noom_group_kill 0\n"
	control = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"
	vmstat  = "nr_free_pages 5766420\npgmajfault 1055\noom_kill 3\nnuma_hit 0\n"
)

// lay writes files below a fresh root.
func lay(t *testing.T, files map[string]string) (root string) {
	t.Helper()
	root = t.TempDir()
	for path, text := range files {
		path = filepath.Join(root, path)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	return root
}

func TestWhereOOMKillsAreCounted(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		files map[string]string
		want  string
	}{
		"version 2":              {map[string]string{"proc/self/cgroup": cgroup2, "sys/fs/cgroup/ci/one/memory.events": events, "proc/vmstat": vmstat}, "sys/fs/cgroup/ci/one/memory.events"},
		"version 2 in a cell":    {map[string]string{"proc/self/cgroup": cgroup2, "sys/fs/cgroup/memory.events": events, "proc/vmstat": vmstat}, "sys/fs/cgroup/memory.events"},
		"version 2 beside 1":     {map[string]string{"proc/self/cgroup": cgroup1, "sys/fs/cgroup/unified/ci/one/memory.events": events, "proc/vmstat": vmstat}, "sys/fs/cgroup/unified/ci/one/memory.events"},
		"version 1":              {map[string]string{"proc/self/cgroup": cgroup1, "sys/fs/cgroup/memory/ci/one/memory.oom_control": control, "proc/vmstat": vmstat}, "sys/fs/cgroup/memory/ci/one/memory.oom_control"},
		"version 1 in a cell":    {map[string]string{"proc/self/cgroup": cgroup1, "sys/fs/cgroup/memory/memory.oom_control": control, "proc/vmstat": vmstat}, "sys/fs/cgroup/memory/memory.oom_control"},
		"no such controller":     {map[string]string{"proc/self/cgroup": "3:cpu:/x\n0::/\n", "proc/vmstat": vmstat}, "proc/vmstat"},
		"a kernel without":       {map[string]string{"proc/self/cgroup": cgroup2, "sys/fs/cgroup/ci/one/memory.events": "low 0\noom 1\n", "proc/vmstat": vmstat}, "proc/vmstat"},
		"no count":               {map[string]string{"proc/self/cgroup": cgroup2, "proc/vmstat": "nr_free_pages 5766420\n"}, ""},
		"another system at all":  {nil, ""},
		"a count that is no one": {map[string]string{"proc/vmstat": "oom_kill many\n"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			root := lay(t, test.files)
			o := newOOMKills(root)
			if test.want == "" {
				require.Empty(t, o.path)
				require.False(t, o.struck(time.Now()))
				return
			}
			require.Equal(t, filepath.Join(root, test.want), o.path)
			require.EqualValues(t, 3, o.seen)
		})
	}
}

func TestEachOOMKillExplainsOneDeath(t *testing.T) {
	t.Parallel()
	root := lay(t, map[string]string{"proc/vmstat": "oom_kill 7\n"})
	o := newOOMKills(root)
	now := time.Now()
	require.False(t, o.struck(now), "earlier kills explain no death")
	count := func(n int) {
		require.NoError(t, os.WriteFile(o.path, []byte("oom_kill "+strconv.Itoa(n)+"\n"), 0o600))
	}
	count(8)
	require.True(t, o.struck(now))
	require.False(t, o.struck(now), "one kill, one death")
	count(10)
	require.True(t, o.struck(now))
	require.True(t, o.struck(now.Add(time.Second)), "two that died at once")
	require.False(t, o.struck(now.Add(time.Second)))
	count(12)
	require.True(t, o.struck(now.Add(time.Minute)))
	require.False(t, o.struck(now.Add(2*time.Minute)), "long after the second kill")
}

func TestOutOfMemoryIsDistinguishedFromOtherDeaths(t *testing.T) {
	t.Parallel()
	f := start(t)
	count := filepath.Join(t.TempDir(), "vmstat")
	require.NoError(t, os.WriteFile(count, []byte("oom_kill 0\n"), 0o600))
	f.oom.mu.Lock()
	f.oom.path, f.oom.seen = count, 0
	f.oom.mu.Unlock()
	kernel := func(n int) string { return `echo oom_kill ` + strconv.Itoa(n) + ` > ` + count + `; ` }
	for _, test := range []struct {
		command string
		reason  hodei.Reason
	}{
		{`kill -KILL $$`, hodei.ReasonSignal},
		{kernel(1) + `kill -KILL $$`, hodei.ReasonOutOfMemory},
		{`kill -KILL $$`, hodei.ReasonSignal},
		{kernel(2) + `sh -c 'kill -KILL $$'; exit $?`, hodei.ReasonOutOfMemory},
		{`exit 137`, hodei.ReasonExitCode},
		{kernel(3) + `kill -TERM $$`, hodei.ReasonSignal},
	} {
		end, _ := f.outcome(f.request(test.command))
		require.Equal(t, hodei.Failed, end.Status)
		require.Equal(t, test.reason, *end.Reason, test.command)
	}

	id := f.run(f.request(`trap "" TERM; ` + kernel(4) + `echo up; while :; do sleep 0.05; done`))
	f.manager.await(t, "up", func() bool { return len(f.manager.logs[id]) == 1 })
	require.NoError(t, f.interrupt(id, hodei.ReasonCancelled))
	end, _ := f.end(id)
	require.Equal(t, hodei.ReasonCancelled, *end.Reason, "the KILL was ours")
}

// TestTheKernelRunsOutOfMemory causes a real OOM kill: a worker in a control
// group with little memory.
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
// If that is impossible, the test is skipped with a message.
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
	if made == "" {
		t.Skip("SKIPPED: no memory control group can be created here, so a real OOM kill is NOT tested")
	}
	return made
}
