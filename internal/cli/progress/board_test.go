package progress

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/cli/session"
)

var noon = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

func at(seconds int) *time.Time {
	t := noon.Add(time.Duration(seconds) * time.Second)
	return &t
}

func leg(key, job string, status hodei.RunJobStatus, from, to *time.Time) hodei.RunJob {
	return hodei.RunJob{Key: key, Job: job, Status: status, StartedAt: from, CompletedAt: to, Attempt: 1}
}

// TestBoard: each job is a line with its state, its duration and why; the legs of a matrix
// share one.
func TestBoard(t *testing.T) {
	skipped := leg("page", "page", hodei.JobSkipped, nil, at(70))
	skipped.Reason = new(hodei.Reason("CONDITION"))
	lint := leg("lint", "lint", hodei.JobFailed, at(0), at(2))
	lint.Reason, lint.Warning = new(hodei.ReasonExitCode), true
	run := hodei.Run{Number: 42, Status: hodei.RunRunning, CreatedAt: noon, StartedAt: at(0), Jobs: []hodei.RunJob{
		leg("build", "build", hodei.JobCompleted, at(0), at(61)), lint,
		leg("test[go=1.25]", "test", hodei.JobCompleted, at(61), at(70)),
		leg("test[go=1.26]", "test", hodei.JobRunning, at(61), nil),
		leg("deploy", "deploy", hodei.JobBlocked, nil, nil), skipped,
	}}
	require.Equal(t, []string{
		"release#42 RUNNING · 4 of 6 jobs · 1m15s",
		"✓ build     1m1s",
		"✗ lint        2s  exit code, allowed to fail",
		"⠙ test       14s  1 of 2 legs",
		"‖ deploy          waits for approval",
		"- page            condition",
	}, Board(run, "release#42", *at(75), 20, 1, false))

	require.Equal(t, []string{
		"release#42 RUNNING · 4 of 6 jobs · 1m15s",
		"✗ lint        2s  exit code, allowed to fail",
		"⠙ test       14s  1 of 2 legs",
		"  … 3 jobs more",
	}, Board(run, "release#42", *at(75), 4, 1, false), "with little room, what needs attention comes first")

	coloured := Board(run, "release#42", *at(75), 20, 1, true)
	require.Contains(t, coloured[1], "\x1b[32m✓")
}

// TestOutputIsWholeLines: lines of all jobs are printed behind their keys, those of
// standard error to standard error; progress is shown by its last state.
func TestOutputIsWholeLines(t *testing.T) {
	var out, errs bytes.Buffer
	o := newOutput(session.Printing(&out, &errs, "table"), nil)
	o.know("build")
	o.know("e2e")
	for _, l := range []struct {
		key string
		hodei.LogLine
	}{
		{"build", hodei.LogLine{Stream: hodei.Stdout, Line: "one"}},
		{"e2e", hodei.LogLine{Stream: hodei.Stdout, Line: "1%\r50%\r100%\r"}},
		{"build", hodei.LogLine{Stream: hodei.Stderr, Line: "oops"}},
	} {
		require.NoError(t, o.print(l.key, l.LogLine))
	}
	require.Equal(t, "build │ one\ne2e   │ 100%\n", out.String())
	require.Equal(t, "build │ oops\n", errs.String())

	out.Reset()
	o = newOutput(session.Printing(&out, &errs, "json"), nil)
	o.know("build")
	require.NoError(t, o.print("build", hodei.LogLine{Stream: hodei.Stderr, Line: "<oops>", Sequence: 3}))
	require.True(t, strings.HasPrefix(out.String(), `{"job":"build",`), out.String())
	require.Contains(t, out.String(), `"line":"<oops>"`)
}
