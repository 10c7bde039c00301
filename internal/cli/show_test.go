package cli

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/cli/session"
	"github.com/hodei-jobs/hodei/schemas"
)

var update = flag.Bool("update", false, "rewrite the goldens")

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// printing is a session at noon that prints into memory.
func printing() (s *session.Session, out, errs *bytes.Buffer) {
	out, errs = &bytes.Buffer{}, &bytes.Buffer{}
	s = session.Printing(out, errs, "")
	s.Now = func() time.Time { return noon }
	return s, out, errs
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "run: go test ./internal/cli -update")
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
		require.NoError(t, showExecution(t.Context(), s, e))
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
	require.Equal(t, "more results: --limit up to 1000, or --cursor more\n", errs)
}

// With -o json the reply is printed as it came, whatever is in it.
func TestJSONIsVerbatim(t *testing.T) {
	url := answering(t, "GET /api/v1/executions/{id}", 200, execution)
	out, errs, code := command(t, "execution", "show", "01a20adc-0000-7000-8000-000000000001", "-o", "json", "--server", url)
	require.Equal(t, execution+"\n", out)
	require.Empty(t, errs)
	require.Zero(t, code)
}

func TestADamagedLogIsMarked(t *testing.T) {
	require.Equal(t, "40", logLines(hodei.Execution{LogCount: 40}))
	require.Contains(t, logLines(hodei.Execution{LogCount: 40, LogDamaged: true}), "40 (damaged")
}
