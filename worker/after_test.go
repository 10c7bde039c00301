package worker

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/worker/mark"
)

// running waits until an execution has printed a line.
func (f *fleet) running(id hodei.ExecutionID, line string) {
	f.t.Helper()
	require.Eventually(f.t, func() bool {
		for _, l := range f.log(id) {
			if l.Line == line {
				return true
			}
		}
		return false
	}, time.Minute, time.Millisecond, line)
}

// TestAfterRunsWhateverTheOutcome: the script runs in the directory of the command, with
// its environment and its shell, and the end is reported once it has ended.
func TestAfterRunsWhateverTheOutcome(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *Config) { c.Slots = 8 })
	for name, c := range map[string]struct {
		command []string
		stop    func(t *testing.T, id hodei.ExecutionID)
		timeout float64
		status  hodei.ExecutionStatus
	}{
		"completed": {command: []string{"echo file > made"}, status: hodei.Completed},
		"failed":    {command: []string{"echo file > made; exit 3"}, status: hodei.Failed},
		"not found": {command: []string{"no-such-program", "x"}, status: hodei.Failed},
		"no output": {command: []string{"echo file > made; echo nothing > $HODEI_OUTPUT"}, status: hodei.Failed},
		"timed out": {command: []string{"echo file > made; exec sleep 1000"}, timeout: 1, status: hodei.TimedOut},
		"cancelled": {command: []string{"echo file > made; echo up; exec sleep 1000"}, status: hodei.Cancelled, stop: func(t *testing.T, id hodei.ExecutionID) {
			f.running(id, "up")
			require.NoError(t, f.interrupt(id, hodei.ReasonCancelled))
		}},
		"cancelled, and deaf": {command: []string{"trap '' TERM; echo up; while :; do sleep 0.05; done"}, status: hodei.Cancelled, stop: func(t *testing.T, id hodei.ExecutionID) {
			f.running(id, "up")
			require.NoError(t, f.interrupt(id, hodei.ReasonCancelled))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			req := f.request(c.command...)
			req.Environment["NAME"] = "value"
			req.After = `sleep 0.1; echo "$HODEI_STATUS $NAME $HODEI_ATTEMPT $(cat made 2>/dev/null) $PWD"; echo x=y > $HODEI_OUTPUT`
			if c.timeout > 0 {
				req.TimeoutSeconds = &c.timeout
			}
			id := f.run(req)
			if c.stop != nil {
				c.stop(t, id)
			}
			end, lines := f.end(id)
			require.Equal(t, c.status, end.Status)
			require.Nil(t, end.Outputs, "those of the command count")
			out := texts(lines, hodei.Stdout)
			require.NotEmpty(t, out)
			last := strings.Fields(out[len(out)-1])
			require.Equal(t, string(c.status), last[0])
			require.Equal(t, []string{"value", "1"}, last[1:3])
			if strings.Contains(c.command[0], "made") {
				require.Equal(t, "file", last[3], "the directory of the command")
			}
			require.Contains(t, last[len(last)-1], f.cfg.StateDir)
			for _, line := range texts(lines, hodei.Stderr) {
				require.NotContains(t, line, "warning")
			}
		})
	}
}

func TestAfterRunsInTheShellOfTheJob(t *testing.T) {
	t.Parallel()
	f := start(t)
	req := f.request("true")
	req.Shell = hodei.Shell{Name: "bash"}
	req.After = `echo "${BASH_VERSION:+bash}"; false | true; echo no`
	end, lines := f.outcome(req)
	require.Equal(t, hodei.Completed, end.Status)
	require.Equal(t, []string{"bash"}, texts(lines, hodei.Stdout))
	require.Equal(t, []string{"hodei: warning: after exited with 1"}, texts(lines, hodei.Stderr))

	req = f.request("echo", "a list has no shell")
	req.After = "echo $0"
	_, lines = f.outcome(req)
	require.Equal(t, []string{"a list has no shell", "sh"}, texts(lines, hodei.Stdout))
}

// TestAFailureOfAfterIsAWarning: it never changes the outcome.
func TestAFailureOfAfterIsAWarning(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *Config) { c.afterLimit = 100 * time.Millisecond })
	for script, warning := range map[string]string{
		"exit 3":                        "exited with 3",
		"kill -KILL $$":                 "was ended by SIGKILL",
		"trap '' TERM; exec sleep 1000": "was stopped: it ran longer than 100ms",
	} {
		for command, status := range map[string]hodei.ExecutionStatus{"true": hodei.Completed, "exit 7": hodei.Failed} {
			req := f.request(command)
			req.After = script
			end, lines := f.outcome(req)
			require.Equal(t, status, end.Status)
			if status == hodei.Failed {
				require.Equal(t, hodei.ReasonExitCode, *end.Reason)
				require.Equal(t, 7, *end.ExitCode)
			}
			require.Equal(t, []string{"hodei: warning: after " + warning}, texts(lines, hodei.Stderr))
			require.Empty(t, mark.Execution(f.tag, req.ExecutionID).Bearers())
		}
	}
	req := f.request("true")
	req.Shell, req.After = hodei.Shell{Args: []string{"no-such-shell"}}, "x"
	req.Command = hodei.Command{Args: []string{"true"}}
	end, lines := f.outcome(req)
	require.Equal(t, hodei.Completed, end.Status)
	require.Equal(t, []string{"hodei: warning: after did not start: no-such-shell: command not found"}, texts(lines, hodei.Stderr))
}

// TestAfterHasItsSlots: until the script has ended, and no longer.
func TestAfterHasItsSlots(t *testing.T) {
	t.Parallel()
	f := start(t)
	gate := fifo(t)
	req := f.request("true")
	req.After = "echo after; cat < " + gate
	id := f.run(req)
	f.running(id, "after")
	free, _ := f.slots.current()
	require.Equal(t, 3, free)
	require.NoError(t, f.interrupt(id, hodei.ReasonCancelled), "the command has ended: the script goes on")
	open(t, gate)
	end, _ := f.end(id)
	require.Equal(t, hodei.Completed, end.Status)
	require.Eventually(t, func() bool { free, _ := f.slots.current(); return free == 4 }, time.Minute, time.Millisecond)
}

// TestTerminateKillsAfter: a script that runs is killed, and one that does not run yet
// does not start.
func TestTerminateKillsAfter(t *testing.T) {
	t.Parallel()
	f := start(t)
	runs, waits := f.request("true"), f.request("echo up; exec sleep 1000")
	runs.After, waits.After = "trap '' TERM; echo after; while :; do sleep 0.05; done", "echo after"
	f.run(runs)
	f.run(waits)
	f.running(runs.ExecutionID, "after")
	f.running(waits.ExecutionID, "up")
	f.Terminate()
	require.NoError(t, receive(t, f.done, "terminated"))

	end, lines := f.end(runs.ExecutionID)
	require.Equal(t, hodei.Completed, end.Status, "the outcome of the command")
	require.Equal(t, []string{"hodei: warning: after was stopped: the worker terminates"}, texts(lines, hodei.Stderr))
	end, lines = f.end(waits.ExecutionID)
	require.Equal(t, hodei.ReasonWorkerTerminated, *end.Reason)
	require.Equal(t, []string{"up"}, texts(lines, hodei.Stdout))
	require.Equal(t, []string{"hodei: warning: after did not start: the worker terminates"}, texts(lines, hodei.Stderr))
	require.Empty(t, mark.Worker(f.tag).Bearers())
}

// TestAfterDiesWithItsWorker: the reaper kills the script of a worker that was killed.
func TestAfterDiesWithItsWorker(t *testing.T) {
	t.Parallel()
	f, process := startProcess(t)
	req := f.request("true")
	req.After = "trap '' TERM; echo child $$; while :; do sleep 0.05; done"
	id := f.run(req)
	f.manager.await(t, "it runs", func() bool { return len(f.manager.logs[id]) > 0 })
	child := childIn(t, f.log(id))
	require.NoError(t, process.Kill())
	requireGone(t, child)
}

// TestTheSignalOfACommandDoesNotReachAfter: the search for processes that left the group
// of a cancelled command ends before the script starts.
func TestTheSignalOfACommandDoesNotReachAfter(t *testing.T) {
	t.Parallel()
	f := start(t)
	for i := range 20 {
		req := f.request("echo up; exec sleep 1000")
		req.After = fmt.Sprintf("sleep 0.05; echo after %d", i)
		id := f.run(req)
		f.running(id, "up")
		require.NoError(t, f.interrupt(id, hodei.ReasonCancelled))
		end, lines := f.end(id)
		require.Equal(t, hodei.Cancelled, end.Status)
		require.Contains(t, texts(lines, hodei.Stdout), fmt.Sprintf("after %d", i), "%v", lines)
	}
}

// TestAfterObeysTheFence: a script of an execution that would start again elsewhere is
// stopped before that.
func TestAfterObeysTheFence(t *testing.T) {
	t.Parallel()
	f, down, up := startRestartable(t)
	lost := 3.0
	req := f.request("true")
	req.LostAfterSeconds = &lost
	req.After = "trap '' TERM; echo child $$; while :; do sleep 0.05; done"
	id := f.run(req)
	f.manager.await(t, "it runs", func() bool { return len(f.manager.logs[id]) > 0 })
	child := childIn(t, f.log(id))
	down()
	requireGone(t, child)
	up()
	end, lines := f.end(id)
	require.Equal(t, hodei.Completed, end.Status)
	require.Equal(t, []string{"hodei: warning: after was stopped: the worker was too long without contact"}, texts(lines, hodei.Stderr))
}
