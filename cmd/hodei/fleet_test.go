package main

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// testFleet drains a busy worker, resumes it, and terminates it.
func testFleet(t *testing.T, server, nats string) {
	t.Setenv("HODEI_SERVER", server)
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	hodei := func(args ...string) (out string) {
		body, err := exec.Command("hodei", args...).CombinedOutput()
		require.NoError(t, err, "%v: %s", args, body)
		return strings.TrimSpace(string(body))
	}
	// The new state of a worker reaches every view of the fleet a moment later.
	shows := func(word string, args ...string) {
		require.Eventually(t, func() bool { return strings.Contains(hodei(args...), word) }, time.Minute, 50*time.Millisecond, "%v: %s", args, word)
	}
	w := watch(t, "ready worker", "worker", "--nats", nats, "--name", "leaver", "--type", "leaving", "--capacity", "1", "--state-dir", t.TempDir())
	t.Cleanup(func() { _ = w.cmd.Process.Kill() }) // has ended, unless the test failed
	require.Contains(t, w.marked(t), "worker_")
	busy := watch(t, "it runs", "exec", "--type", "leaving", "-c", "echo it runs >&2; sleep 600")
	busy.marked(t)

	require.Regexp(t, `^worker_\S+ is DRAINING$`, hodei("worker", "drain", "leaver", "--deadline", "1h"))
	shows("draining", "explain", "--type", "leaving")
	shows("DRAINING", "worker", "show", "leaver")
	require.Regexp(t, `^worker_\S+ is (BUSY|AVAILABLE)$`, hodei("worker", "resume", "leaver"))
	shows("busy", "explain", "--type", "leaving")
	require.Regexp(t, `^worker_\S+ is TERMINAT(ING|ED)$`, hodei("worker", "terminate", "leaver", "--nats", nats))
	for name, done := range map[string]chan struct{}{"worker": w.done, "what it ran": busy.done} {
		select {
		case <-done:
		case <-time.After(time.Minute):
			t.Fatalf("the %s did not end", name)
		}
	}
	require.Contains(t, busy.rest, "FAILED (WORKER_TERMINATED")
	shows("TERMINATED", "worker", "ls", "--type", "leaving")
	out, err := exec.Command("hodei", "worker", "resume", "leaver").CombinedOutput()
	require.Error(t, err)
	require.Equal(t, 4, err.(*exec.ExitError).ExitCode(), string(out))
}
