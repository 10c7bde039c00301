package worker

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/worker/mark"
)

func TestOutcomes(t *testing.T) {
	t.Parallel()
	f := start(t)
	plain := filepath.Join(t.TempDir(), "plain")
	require.NoError(t, os.WriteFile(plain, []byte("no program"), 0o600))
	garbage := filepath.Join(t.TempDir(), "garbage")
	require.NoError(t, os.WriteFile(garbage, []byte("\x00\x01"), 0o700))
	tests := map[string]struct {
		command  []string
		status   hodei.ExecutionStatus
		reason   hodei.Reason
		exitCode int // -1: null
		signal   string
		stderr   string
	}{
		"success":              {[]string{"true"}, hodei.Completed, "", 0, "", ""},
		"a list has no shell":  {[]string{"echo", "$HOME", "|"}, hodei.Completed, "", 0, "", ""},
		"exit code":            {[]string{"exit 3"}, hodei.Failed, hodei.ReasonExitCode, 3, "", ""},
		"not found by a shell": {[]string{"exec 2>/dev/null; no-such-program-at-all"}, hodei.Failed, hodei.ReasonExitCode, 127, "", ""},
		"signal":               {[]string{"kill -KILL $$"}, hodei.Failed, hodei.ReasonSignal, -1, "SIGKILL", ""},
		"not found":            {[]string{"no-such-program", "x"}, hodei.Failed, hodei.ReasonCommandNotFound, 127, "", "hodei: no-such-program: command not found"},
		"path not found":       {[]string{"./no/such", "x"}, hodei.Failed, hodei.ReasonCommandNotFound, 127, "", "hodei: ./no/such: no such file or directory"},
		"not executable":       {[]string{plain, "x"}, hodei.Failed, hodei.ReasonCommandNotFound, 126, "", "hodei: " + plain + ": permission denied"},
		"not a program":        {[]string{garbage, "x"}, hodei.Failed, hodei.ReasonCommandNotFound, 126, "", "hodei: " + garbage + ": exec format error"},
		"a directory":          {[]string{"/tmp", "x"}, hodei.Failed, hodei.ReasonCommandNotFound, 126, "", "hodei: /tmp: is a directory"},
		"an empty name":        {[]string{"", "x"}, hodei.Failed, hodei.ReasonCommandNotFound, 127, "", "hodei: : command not found"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			end, lines := f.outcome(f.request(test.command...))
			require.Equal(t, test.status, end.Status)
			if test.reason == "" {
				require.Nil(t, end.Reason)
			} else {
				require.Equal(t, test.reason, *end.Reason)
			}
			if test.exitCode < 0 {
				require.Nil(t, end.ExitCode)
			} else {
				require.Equal(t, test.exitCode, *end.ExitCode)
			}
			if test.signal == "" {
				require.Nil(t, end.Signal)
			} else {
				require.Equal(t, test.signal, *end.Signal)
			}
			require.Equal(t, test.stderr, strings.Join(texts(lines, hodei.Stderr), "\n"))
			require.False(t, end.CompletedAt.Before(*end.StartedAt))
		})
	}
}

func TestResourcesAreRecorded(t *testing.T) {
	t.Parallel()
	f := start(t)
	const most = 96 << 20
	end, _ := f.outcome(f.request(`dd if=/dev/zero of=/dev/null bs=96M count=2 2>/dev/null; i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; exit 3`))
	require.GreaterOrEqual(t, end.Resources.PeakMemoryBytes, int64(most), "what a child held counts")
	require.Less(t, end.Resources.PeakMemoryBytes, int64(2*most+own(t)))
	require.Positive(t, end.Resources.UserCPUSeconds)
	require.Positive(t, end.Resources.SystemCPUSeconds)
	require.Less(t, end.Resources.UserCPUSeconds+end.Resources.SystemCPUSeconds, 2*end.CompletedAt.Sub(*end.StartedAt).Seconds()+1)

	end, _ = f.outcome(f.request("kill -KILL $$"))
	require.NotNil(t, end.Resources, "however it ended")
	end, _ = f.outcome(f.request("no-such-program", "x"))
	require.Nil(t, end.Resources, "nothing ran")
}

// own returns the peak memory of this process, in bytes.
func own(t *testing.T) int64 {
	var usage syscall.Rusage
	require.NoError(t, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return usage.Maxrss << 10 // Linux counts in KiB
}

func TestBothStreamsArriveInOrder(t *testing.T) {
	t.Parallel()
	f := start(t)
	end, lines := f.outcome(f.request(`echo one; echo; echo two >&2; printf 'a\r\nb\rc\nlast'`))
	require.Equal(t, hodei.Completed, end.Status)
	require.Equal(t, []string{"one", "", "a", "b\rc", "last"}, texts(lines, hodei.Stdout))
	require.Equal(t, []string{"two"}, texts(lines, hodei.Stderr))
	for i := 1; i < len(lines); i++ {
		require.False(t, lines[i].Timestamp.Before(lines[i-1].Timestamp))
	}
}

func TestALineIsSentAtOnceAndAFloodInChunks(t *testing.T) {
	t.Parallel()
	f := start(t)
	gate := fifo(t)
	id := f.run(f.request(`echo first; cat < "` + gate + `"; seq 100000`))
	f.manager.await(t, "first line", func() bool { return len(f.manager.logs[id]) == 1 })
	open(t, gate)
	_, lines := f.end(id)
	require.Len(t, lines, 100_001)
	for i, line := range lines[1:] {
		require.Equal(t, strconv.Itoa(i+1), line.Line)
	}
	require.Less(t, f.manager.chunks, 1000, "a flood costs few messages")
}

func TestALongLineIsSplit(t *testing.T) {
	t.Parallel()
	f := start(t)
	_, lines := f.outcome(f.request(fmt.Sprintf(`head -c %d /dev/zero | tr '\0' x; echo; head -c 4 /dev/zero | tr '\0' '\377'`, 5*hodei.MaxLine/2)))
	require.Len(t, lines, 4)
	for i, want := range []bool{true, true, false, false} {
		require.Equal(t, want, lines[i].Partial)
	}
	require.Equal(t, strings.Repeat("x", 5*hodei.MaxLine/2), lines[0].Line+lines[1].Line+lines[2].Line)
	require.Equal(t, "\uFFFD\uFFFD\uFFFD\uFFFD", lines[3].Line)
}

func TestEnvironmentIsASmallBaseAndTheJobs(t *testing.T) {
	t.Setenv("HODEI_DATABASE_URL", "secret")
	t.Setenv("LANG", "xx_XX")
	t.Setenv("HOME", "/nowhere")
	f := start(t)
	req := f.request("/usr/bin/env", "-0")
	req.Command = hodei.Command{Args: []string{"/usr/bin/env"}}
	req.Environment = map[string]string{"MINE": "a b", "HOME": "/home/of/job", mark.TagVariable: "forged", mark.ExecutionVariable: "forged"}
	job, pipeline := hodei.JobID(uuid.Must(uuid.NewV7())), hodei.PipelineID(uuid.Must(uuid.NewV7()))
	req.JobID, req.PipelineID, req.Attempt = &job, &pipeline, 3
	_, lines := f.outcome(req)
	got := map[string]string{}
	for _, line := range lines {
		name, value, _ := strings.Cut(line.Line, "=")
		require.NotContains(t, got, name)
		got[name] = value
	}
	for name, want := range map[string]string{
		"MINE": "a b", "HOME": "/home/of/job", "LANG": "xx_XX", "PATH": os.Getenv("PATH"), "HODEI_ATTEMPT": "3",
		"HODEI_EXECUTION_ID": req.ExecutionID.String(), "HODEI_JOB_ID": job.String(), "HODEI_PIPELINE_ID": pipeline.String(),
		"HODEI_WORKER_ID": f.ID().String(), mark.TagVariable: f.tag, "CI": "true", "HODEI_RUN_ID": "", "HODEI_BRANCH": "", "HODEI_JOB": "",
	} {
		value, set := got[name]
		require.True(t, set, name)
		require.Equal(t, want, value, name)
	}
	for name := range got {
		if !hodei.IsSet(name) {
			require.Contains(t, []string{"MINE", "CI", "PATH", "HOME", "LANG", "LC_ALL", "TZ", "USER", "LOGNAME", "SHELL", "TMPDIR"}, name)
		}
	}
	require.NotContains(t, got, "HODEI_DATABASE_URL")
}

func TestProgramIsFoundInTheJobsPath(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "mytool"), []byte("#!/bin/sh\necho mine\n"), 0o700))
	f := start(t)
	req := f.request("mytool", "x")
	req.Environment["PATH"] = "/nowhere:" + dir + ":" + os.Getenv("PATH")
	_, lines := f.outcome(req)
	require.Equal(t, []string{"mine"}, texts(lines, hodei.Stdout))
}

func TestStandardInputIsEmpty(t *testing.T) {
	t.Parallel()
	f := start(t)
	end, lines := f.outcome(f.request("cat; echo end"))
	require.Equal(t, hodei.Completed, end.Status)
	require.Equal(t, []string{"end"}, texts(lines, hodei.Stdout))
}

func TestWorkingDirectoryIsFreshAndRemoved(t *testing.T) {
	t.Parallel()
	f := start(t)
	_, lines := f.outcome(f.request(`pwd; ls -A; mkdir -p a/b; touch a/b/c; chmod 500 a/b`))
	require.Len(t, lines, 1, "the directory was empty")
	dir := lines[0].Line
	require.True(t, strings.HasPrefix(dir, f.cfg.StateDir), dir)
	require.Eventually(t, func() bool { _, err := os.Stat(dir); return os.IsNotExist(err) }, time.Minute, time.Millisecond)
}

func TestHomeAndTemporaryDirectoryAreThoseOfOneExecution(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	f := start(t)
	named := t.TempDir()
	for _, dir := range []*string{nil, &named} {
		req := f.request(`echo ~; echo $TMPDIR; stat -c %a ~ $TMPDIR; ls -A ~; ls -A $TMPDIR; mktemp; mkdir -p ~/.cache/x; chmod 500 ~/.cache`)
		req.WorkingDir = dir
		_, lines := f.outcome(req)
		printed := texts(lines, hodei.Stdout)
		require.Len(t, printed, 4+1, "both are empty: %q", printed)
		home, tmp := printed[0], printed[1]
		require.Equal(t, []string{"700", "700"}, printed[2:4])
		require.Equal(t, tmp, filepath.Dir(printed[len(printed)-1]))
		require.NotEqual(t, home, tmp)
		for _, dir := range []string{home, tmp} {
			require.True(t, strings.HasPrefix(dir, f.cfg.StateDir), dir)
			require.Less(t, len(dir)-len(f.cfg.StateDir), 30, "leaves room for the name of a socket")
			require.Eventually(t, func() bool { _, err := os.Stat(dir); return os.IsNotExist(err) }, time.Minute, time.Millisecond)
		}
		require.DirExists(t, named)
	}
}

func TestNamedWorkingDirectoryMustExist(t *testing.T) {
	t.Parallel()
	f := start(t)
	dir := t.TempDir()
	req := f.request("pwd -P")
	req.WorkingDir = &dir
	_, lines := f.outcome(req)
	require.Equal(t, []string{dir}, texts(lines, hodei.Stdout))
	require.DirExists(t, dir)

	req = f.request("pwd")
	gone := filepath.Join(dir, "gone")
	req.WorkingDir = &gone
	end, lines := f.outcome(req)
	require.Equal(t, hodei.Failed, end.Status)
	require.Equal(t, hodei.ReasonStartFailed, *end.Reason)
	require.Nil(t, end.ExitCode)
	require.Len(t, lines, 1)
	require.Contains(t, lines[0].Line, gone)
}

func TestTimeoutEndsTheWholeGroup(t *testing.T) {
	t.Parallel()
	f := start(t)
	req := f.request(`trap "" TERM; (trap "" TERM; echo child $(sh -c 'echo $PPID'); while :; do sleep 0.1; done) & wait; while :; do sleep 0.1; done`)
	seconds := 0.3
	req.TimeoutSeconds = &seconds
	end, lines := f.outcome(req)
	require.Equal(t, hodei.TimedOut, end.Status)
	require.Equal(t, hodei.ReasonTimeout, *end.Reason)
	require.Equal(t, "SIGKILL", *end.Signal)
	require.Nil(t, end.ExitCode)
	require.GreaterOrEqual(t, end.CompletedAt.Sub(*end.StartedAt), 300*time.Millisecond+f.cfg.Grace)
	requireGone(t, childIn(t, lines))
}

func TestCancelSendsTermFirst(t *testing.T) {
	t.Parallel()
	f := start(t)
	id := f.run(f.request(`trap 'echo bye; exit 7' TERM; echo up; while :; do sleep 0.05; done`))
	f.manager.await(t, "up", func() bool { return len(f.manager.logs[id]) == 1 })
	require.NoError(t, f.interrupt(id, hodei.ReasonCancelled))
	end, lines := f.end(id)
	require.Equal(t, hodei.Cancelled, end.Status)
	require.Equal(t, hodei.ReasonCancelled, *end.Reason)
	require.Equal(t, 7, *end.ExitCode)
	require.Equal(t, []string{"up", "bye"}, texts(lines, hodei.Stdout))
}

func TestCancelKillsWhatIgnoresIt(t *testing.T) {
	t.Parallel()
	f := start(t)
	id := f.run(f.request(`trap "" TERM; echo up; while :; do sleep 0.05; done`))
	f.manager.await(t, "up", func() bool { return len(f.manager.logs[id]) == 1 })
	require.NoError(t, f.interrupt(id, hodei.ReasonCancelled))
	end, _ := f.end(id)
	require.Equal(t, hodei.Cancelled, end.Status)
	require.Equal(t, "SIGKILL", *end.Signal)
	f.availability("nothing is held", func(a hodei.Availability) bool { return len(a.Running) == 0 && a.Revision > 1 })
	require.ErrorIs(t, f.interrupt(id, hodei.ReasonCancelled), hodei.NotFound)
}

func TestARunGivenUpIsKilledAndNotReported(t *testing.T) {
	t.Parallel()
	f := start(t)
	id := f.run(f.request(`echo up; exec sleep 1000`))
	f.manager.await(t, "up", func() bool { return len(f.manager.logs[id]) == 1 })
	require.ErrorIs(t, f.interrupt(id, hodei.ReasonTimeout), hodei.Invalid, "a manager does not send this reason")
	require.NoError(t, f.interrupt(id, hodei.ReasonWorkerLost))
	f.availability("nothing is held", func(a hodei.Availability) bool { return a.Free == 4 && len(a.Running) == 0 && a.Revision > 1 })
	f.manager.mu.Lock()
	defer f.manager.mu.Unlock()
	require.Empty(t, f.manager.ends[id])
}

func TestWhatIsLeftBehindIsKilled(t *testing.T) {
	t.Parallel()
	f := start(t)
	end, lines := f.outcome(f.request(`sh -c 'echo child $$; exec sleep 1000' & sleep 0.2; exit 0`))
	require.Equal(t, hodei.Completed, end.Status)
	requireGone(t, childIn(t, lines))

	_, lines = f.outcome(f.request(`sleep 1000 >/dev/null 2>&1 & echo child $!`))
	requireGone(t, childIn(t, lines))
}

func TestOutputOfTheLastMomentIsRead(t *testing.T) {
	t.Parallel()
	f := start(t)
	end, lines := f.outcome(f.request(`(sleep 0.3; echo late) & echo early`))
	require.Equal(t, hodei.Completed, end.Status)
	require.Equal(t, []string{"early", "late"}, texts(lines, hodei.Stdout))

	// A process that leaves the group keeps the pipe: the execution ends
	// nevertheless.
	end, lines = f.outcome(f.request(`setsid sleep 30 & echo child $!`))
	require.Equal(t, hodei.Completed, end.Status)
	requireGone(t, childIn(t, lines))
}

// childIn returns the number in the line "child <pid>".
func childIn(t *testing.T, lines []hodei.LogLine) int {
	t.Helper()
	for _, line := range lines {
		if text, ok := strings.CutPrefix(line.Line, "child "); ok {
			pid, err := strconv.Atoi(text)
			require.NoError(t, err)
			return pid
		}
	}
	require.Fail(t, "no child in the log")
	return 0
}

// requireGone verifies that a process has ended; it may be a zombie.
func requireGone(t *testing.T, pid int) {
	t.Helper()
	require.Eventually(t, func() bool {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		return err != nil || strings.Contains(string(stat), ") Z ")
	}, time.Minute, 10*time.Millisecond, "process %d still runs", pid)
}

// fifo makes a gate: a command that reads it waits until it is opened.
func fifo(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "gate")
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	return path
}

func open(t *testing.T, gate string) {
	t.Helper()
	file, err := os.OpenFile(gate, os.O_WRONLY, 0)
	require.NoError(t, err)
	require.NoError(t, file.Close())
}
