package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
)

var update = flag.Bool("update", false, "rewrite the goldens")

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// printing is a session at noon that prints into memory.
func printing() (s *session, out, errs *bytes.Buffer) {
	out, errs = &bytes.Buffer{}, &bytes.Buffer{}
	return &session{out: out, errs: errs, now: func() time.Time { return noon }}, out, errs
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "run: go test ./cmd/hodei -update")
	require.Equal(t, string(want), got)
}

const execution = `{"id":"exec_01a20adc-0000-7000-8000-000000000001","job_id":"job_01a20adc-0000-7000-8000-000000000002",
	"pipeline_id":null,"status":"FAILED","reason":"EXIT_CODE","worker_id":"worker_01a20adc-0000-7000-8000-000000000003",
	"command":["sh","-c","exit 3"],"environment":{"B":"2","A":"x\u001b[2Jy"},"priority":5,"requirements":{"type":"rust","labels":{"zone":"a"}},
	"timeout_seconds":90,"exit_code":3,"attempt":1,"created_at":"2026-01-02T11:55:00Z","started_at":"2026-01-02T11:58:57Z",
	"completed_at":"2026-01-02T11:59:00Z","queued_seconds":237,"duration_seconds":3.04,"resources":{"peak_memory_bytes":36175872,"user_cpu_seconds":1.1,"system_cpu_seconds":0.13},"log_count":12, "of_a_later_version": true}`

// executions are one that failed and one that waits.
func executions(t *testing.T, now time.Time) []hodei.Execution {
	var failed hodei.Execution
	require.NoError(t, json.Unmarshal([]byte(execution), &failed))
	failed.CreatedAt = now.Add(-5*time.Minute - 30*time.Second)
	waits := hodei.Execution{ID: failed.ID, Status: hodei.Pending, Attempt: 2, RetryOf: &failed.ID, CreatedAt: now.Add(-73 * time.Hour)}
	waits.Command.Shell = "echo one\necho 'a script that is rather long for a table'"
	return []hodei.Execution{failed, waits}
}

func TestShowExecution(t *testing.T) {
	s, out, _ := printing()
	for _, e := range executions(t, noon) {
		require.NoError(t, s.showExecution(e))
	}
	golden(t, "execution_show", out.String())
}

func TestListExecutions(t *testing.T) {
	page, err := json.Marshal(schemas.List[hodei.Execution]{Items: executions(t, time.Now()), NextCursor: new("more")})
	require.NoError(t, err)
	url := answering(t, "GET /api/v1/executions", 200, string(page))
	out, errs, code := command(t, "execution", "ls", "--server", url)
	require.Zero(t, code)
	golden(t, "execution_ls", out)
	require.Equal(t, "there are more: --limit up to 1000, or --cursor more\n", errs)
}

func TestShowTheRest(t *testing.T) {
	s, out, errs := printing()
	done := executions(t, noon)[0].Summary()
	created := noon.Add(-90 * time.Minute)
	require.NoError(t, s.showPipeline(hodei.Pipeline{Name: "demo", Status: hodei.PipelineActive, JobCount: 2, CreatedAt: created, LastExecution: &done}))
	require.NoError(t, s.showPipeline(hodei.Pipeline{Name: "empty", Description: new("nothing yet"), Status: hodei.PipelineCreated, CreatedAt: noon}))
	require.NoError(t, s.showJob(hodei.Job{Name: new("build"), Status: hodei.Failed, CreatedAt: created, Execution: &done,
		Spec: hodei.Spec{Command: hodei.Command{Args: []string{"cargo", "build"}}, WorkingDir: new("/srv")}}))
	require.NoError(t, s.showWorker(hodei.Worker{Name: new("builder"), Type: "rust", Status: hodei.WorkerBusy, Capacity: 1, TotalCapacity: 4, Running: 3,
		RegisteredAt: created, LastSeenAt: new(noon.Add(-2 * time.Second)), AckLatencySeconds: new(0.0023), SuccessRate: new(0.994), Labels: map[string]string{"zone": "a", "arch": "arm"}}))
	require.NoError(t, s.showQueue(schemas.QueueList{Total: 7, Items: []schemas.QueueEntry{{Position: 1, Priority: 9, AgeSeconds: 75.2, Reason: "no worker of type rust"}}}))
	golden(t, "show", out.String())
	require.Equal(t, "and 6 more\n", errs.String())
}

// With -o json the reply is printed as it came, whatever is in it.
func TestJSONIsVerbatim(t *testing.T) {
	url := answering(t, "GET /api/v1/executions/{id}", 200, execution)
	out, errs, code := command(t, "execution", "show", "01a20adc-0000-7000-8000-000000000001", "-o", "json", "--server", url)
	require.Equal(t, execution+"\n", out)
	require.Empty(t, errs)
	require.Zero(t, code)
}

func TestDurationsAndAges(t *testing.T) {
	for seconds, want := range map[float64]string{0: "0s", 0.0124: "12ms", 1.23: "1.2s", 59: "59s", 200: "3m20s", 7200: "2h0m0s"} {
		require.Equal(t, want, took(&seconds))
	}
	require.Equal(t, "-", took(nil))
	s, _, _ := printing()
	for ago, want := range map[time.Duration]string{
		-time.Second: "0s", 59 * time.Second: "59s", time.Hour - 1: "59m", 47 * time.Hour: "47h", 48 * time.Hour: "2d",
	} {
		require.Equal(t, want, s.age(noon.Add(-ago)))
	}
}

func TestStatusIsColouredForATerminalOnly(t *testing.T) {
	text.EnableColors()
	s, _, _ := printing()
	require.False(t, colorful(s.out))
	require.Equal(t, "FAILED", status(s, hodei.Failed))
	s.color = true
	require.Equal(t, "\x1b[31mFAILED\x1b[0m", status(s, hodei.Failed))
	require.Equal(t, "CREATED", status(s, hodei.PipelineCreated))
}

func TestPrinter(t *testing.T) {
	lines := []hodei.LogLine{
		{Timestamp: noon, Stream: hodei.Stdout, Line: "long, ", Sequence: 1, Partial: true},
		{Timestamp: noon, Stream: hodei.Stderr, Line: "<oops>", Sequence: 2},
		{Timestamp: noon.Add(1500 * time.Microsecond), Stream: hodei.Stdout, Line: "longer", Sequence: 3},
		{Timestamp: noon, Stream: hodei.Stdout, Line: "", Sequence: 4},
	}
	print := func(stamps, asJSON bool) (string, string) {
		s, out, errs := printing()
		if asJSON {
			s.format = "json"
		}
		p := s.printer(stamps, nil)
		for _, l := range lines {
			require.NoError(t, p.print(l))
		}
		return out.String(), errs.String()
	}
	out, errs := print(false, false)
	require.Equal(t, "long, longer\n\n", out)
	require.Equal(t, "<oops>\n", errs)
	out, errs = print(true, false)
	require.Equal(t, "2026-01-02T12:00:00.000Z long, longer\n2026-01-02T12:00:00.000Z \n", out)
	require.Equal(t, "2026-01-02T12:00:00.000Z <oops>\n", errs)
	out, errs = print(true, true)
	require.Empty(t, errs)
	require.Contains(t, out, `{"timestamp":"2026-01-02T12:00:00Z","stream":"stderr","line":"<oops>","sequence":2}`+"\n")
	require.Equal(t, 4, bytes.Count([]byte(out), []byte("\n")))
}

func TestADamagedLogIsMarked(t *testing.T) {
	require.Equal(t, "40", logLines(hodei.Execution{LogCount: 40}))
	require.Contains(t, logLines(hodei.Execution{LogCount: 40, LogDamaged: true}), "40 (damaged")
}
