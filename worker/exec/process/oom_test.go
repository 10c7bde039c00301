package process

import (
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei/worker/reaper"
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
	h := NewHost("tag", &reaper.Keeper{})
	count := filepath.Join(t.TempDir(), "vmstat")
	require.NoError(t, os.WriteFile(count, []byte("oom_kill 0\n"), 0o600))
	h.oom.path, h.oom.seen = count, 0
	kernel := func(n int) string { return `echo oom_kill ` + strconv.Itoa(n) + ` > ` + count + `; ` }
	for _, test := range []struct {
		command     string
		signal      string
		code        int
		outOfMemory bool
	}{
		{`kill -KILL $$`, "SIGKILL", 0, false},
		{kernel(1) + `kill -KILL $$`, "SIGKILL", 0, true},
		{`kill -KILL $$`, "SIGKILL", 0, false},
		{kernel(2) + `sh -c 'kill -KILL $$'; exit $?`, "", 137, true},
		{`exit 137`, "", 137, false},
		{kernel(3) + `kill -TERM $$`, "SIGTERM", 0, false},
	} {
		exit := run(t, h, test.command)
		require.Equal(t, test.signal, exit.Signal, test.command)
		require.Equal(t, test.code, exit.Code, test.command)
		require.Equal(t, test.outOfMemory, exit.OutOfMemory, test.command)
		require.NotNil(t, exit.Resources)
	}
	exit := run(t, h, kernel(4)+`echo; while :; do sleep 0.05; done`, syscall.SIGKILL)
	require.Equal(t, "SIGKILL", exit.Signal)
	require.False(t, exit.OutOfMemory, "Signal killed it")
	require.Zero(t, h.reaper.Len())
}
