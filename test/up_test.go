package test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// dataDir returns a directory that the user of Postgres can access.
func dataDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "hodei-test-data-")
	require.NoError(t, err)
	require.NoError(t, os.Chmod(dir, 0o755))
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// processes returns the processes whose command line contains a text.
func processes(t testing.TB, text string) (found []string) {
	t.Helper()
	entries, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(t, err)
	for _, path := range entries {
		line, err := os.ReadFile(path)
		if err == nil && strings.Contains(strings.ReplaceAll(string(line), "\x00", " "), text) && path != fmt.Sprintf("/proc/%d/cmdline", os.Getpid()) {
			found = append(found, strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	return found
}

// requireGone waits until no process has the text in its command line.
func requireGone(t testing.TB, text string) {
	t.Helper()
	eventually(t, "nothing of "+text+" is left", time.Minute, func() bool { return len(processes(t, text)) == 0 })
}

// TestKilledUp kills `hodei up` during an execution. No process is left, and
// the next start has the whole record, and an end for the lost execution.
func TestKilledUp(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	s := up(t, "--data-dir", dir)
	done := s.execute("echo before")
	require.Equal(t, "COMPLETED", s.ended(done)["status"])
	// A marker that no other process has on its command line.
	marker := "86400." + strconv.Itoa(os.Getpid())
	lost := s.execute("echo started; sh -c 'setsid sleep " + marker + " & sleep " + marker + "'")
	eventually(t, "the command runs", time.Minute, func() bool { return len(processes(t, "sleep "+marker)) >= 2 })
	eventually(t, "its log is recorded", time.Minute, func() bool {
		_, e := call(t, "GET", s.orchestrator+"/executions/"+lost, "")
		return e["log_count"] == 1.0
	})
	s.kill()
	requireGone(t, "sleep "+marker)
	requireGone(t, dir) // Postgres and the reaper have it on their command lines

	again := up(t, "--data-dir", dir)
	_, e := call(t, "GET", again.orchestrator+"/executions/"+done, "")
	require.Equal(t, "COMPLETED", e["status"])
	lines, _ := again.lines(done, "")
	require.Equal(t, []string{"before"}, lines)
	eventually(t, "the lost execution has ended", time.Minute, func() bool {
		_, e = call(t, "GET", again.orchestrator+"/executions/"+lost, "")
		return e["status"] != "RUNNING"
	})
	require.Equal(t, "FAILED", e["status"])
	require.Equal(t, "WORKER_LOST", e["reason"])
	lines, _ = again.lines(lost, "follow=true")
	require.Equal(t, []string{"started"}, lines)
	_, workers := call(t, "GET", again.workerManager+"/workers", "")
	require.Len(t, workers["items"], 1, "the worker is the same one")
	require.Equal(t, "COMPLETED", again.ended(again.execute("true"))["status"])
}

// TestUpReplacesADrainedWorker: after its worker was drained, another replaces it
// and runs what waits.
func TestUpReplacesADrainedWorker(t *testing.T) {
	t.Parallel()
	s := up(t)
	_, list := call(t, "GET", s.workerManager+"/workers", "")
	first := list["items"].([]any)[0].(object)["id"].(string)
	status, _ := call(t, "POST", s.workerManager+"/workers/"+first+"/terminate", "")
	require.Equal(t, 202, status)
	e := s.ended(s.execute("true"))
	require.Equal(t, "COMPLETED", e["status"])
	eventually(t, "the worker is replaced", time.Minute, func() bool {
		_, w := call(t, "GET", s.workerManager+"/workers/"+first, "")
		_, list := call(t, "GET", s.workerManager+"/workers?status=AVAILABLE", "")
		return w["status"] == "TERMINATED" && len(list["items"].([]any)) == 1
	})
	require.Equal(t, 1, strings.Count(s.output(), "worker has left, starting another"), s.output())
}

// TestStop: SIGTERM stops everything, without leftovers.
func TestStop(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	s := up(t, "--data-dir", dir)
	marker := "86401." + strconv.Itoa(os.Getpid())
	id := s.execute("sleep " + marker)
	eventually(t, "the command runs", time.Minute, func() bool { return len(processes(t, "sleep "+marker)) > 0 })
	s.signal(syscall.SIGTERM)
	require.Zero(t, s.wait(), s.output())
	require.Empty(t, processes(t, dir))
	require.Empty(t, processes(t, "sleep "+marker))
	again := up(t, "--data-dir", dir)
	_, e := call(t, "GET", again.orchestrator+"/executions/"+id, "")
	require.Equal(t, "FAILED", e["status"])
	require.Equal(t, "WORKER_TERMINATED", e["reason"], "its end was recorded before the stop")
}

// TestUpRefuses: a start that cannot succeed reports why in one line and leaves
// no process.
func TestUpRefuses(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port

	otherMajor := dataDir(t)
	data := filepath.Join(otherMajor, "postgres")
	require.NoError(t, os.MkdirAll(data, 0o700))
	old := up(t, "--data-dir", otherMajor)
	old.signal(syscall.SIGTERM)
	require.Zero(t, old.wait())
	versions, err := filepath.Glob(filepath.Join(data, "*", "PG_VERSION"))
	require.NoError(t, err)
	versions = append(versions, filepath.Join(data, "PG_VERSION"))
	for _, file := range versions {
		if _, err := os.Stat(file); err == nil {
			require.NoError(t, os.WriteFile(file, []byte("12\n"), 0o600))
		}
	}

	inUse := dataDir(t)
	up(t, "--data-dir", inUse)

	for _, c := range []struct {
		name string
		args []string
		env  []string
		want string
	}{
		{"port taken", []string{"--ephemeral", "--port-base", fmt.Sprint(port), "--nats-port", "0"}, nil, fmt.Sprint(port)},
		{"NATS port taken", []string{"--ephemeral", "--port-base", "0", "--nats-port", fmt.Sprint(port)}, nil, "--nats-port"},
		{"NATS unreachable", []string{"--ephemeral", "--port-base", "0", "--nats", "nats://127.0.0.1:1"}, nil, "connect to NATS at nats://127.0.0.1:1"},
		{"database unreachable", []string{"--ephemeral", "--port-base", "0", "--nats-port", "0", "--database-url", "postgres://127.0.0.1:1/x"}, nil, "connect to Postgres"},
		{"no Postgres", []string{"--ephemeral", "--port-base", "0", "--nats-port", "0"}, []string{"HODEI_PG_BIN=/nowhere"}, "HODEI_PG_BIN=/nowhere holds no usable Postgres"},
		{"another major", []string{"--data-dir", otherMajor, "--port-base", "0", "--nats-port", "0"}, nil, "Postgres 12"},
		{"data directory in use", []string{"--data-dir", inUse, "--port-base", "0", "--nats-port", "0"}, nil, inUse},
		{"open to others", []string{"--ephemeral", "--port-base", "0", "--nats-port", "0", "--host", "0.0.0.0"}, nil, "--insecure"},
		{"unknown flag", []string{"--prot-base", "1"}, nil, "prot-base"},
		{"bad variable", nil, []string{"HODEI_PORT_BASE=x"}, "HODEI_PORT_BASE"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir() // where --ephemeral would leave files
			require.NoError(t, os.Chmod(dir, 0o755))
			cmd := exec.Command(binary, append([]string{"up"}, c.args...)...)
			cmd.Env = append(append(os.Environ(), "TMPDIR="+dir), c.env...)
			out, err := cmd.CombinedOutput()
			require.Error(t, err, string(out))
			require.NotZero(t, cmd.ProcessState.ExitCode())
			require.Contains(t, string(out), c.want)
			lines := strings.Split(strings.TrimSpace(string(out)), "\n")
			require.Len(t, lines, 1, "one line: %s", out)
			require.Empty(t, processes(t, dir))
			left, err := os.ReadDir(dir)
			require.NoError(t, err)
			require.Empty(t, left)
		})
	}
}
