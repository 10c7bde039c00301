package define

import (
	"bytes"
	"flag"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/cli/session"
)

var update = flag.Bool("update", false, "rewrite the goldens")

func TestShow(t *testing.T) {
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	var out bytes.Buffer
	s := session.Printing(&out, &bytes.Buffer{}, "")
	s.Now = func() time.Time { return noon }
	done := hodei.ExecutionSummary{Status: hodei.Failed}
	require.NoError(t, done.ID.UnmarshalText([]byte("exec_01a20adc-0000-7000-8000-000000000001")))
	created := noon.Add(-90 * time.Minute)
	require.NoError(t, showPipeline(s, hodei.Pipeline{Name: "demo", Status: hodei.PipelineActive, JobCount: 2, CreatedAt: created, LastExecution: &done}))
	require.NoError(t, showPipeline(s, hodei.Pipeline{Name: "empty", Description: new("nothing yet"), Status: hodei.PipelineCreated, CreatedAt: noon}))
	require.NoError(t, showJob(t.Context(), s, hodei.Job{Name: new("build"), Status: hodei.Failed, CreatedAt: created, Execution: &done,
		Spec: hodei.Spec{Command: hodei.Command{Args: []string{"cargo", "build"}}, WorkingDir: new("/srv")}}))
	const golden = "testdata/show.golden"
	if *update {
		require.NoError(t, os.WriteFile(golden, out.Bytes(), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err, "run: go test ./internal/cli/define -update")
	require.Equal(t, string(want), out.String())
}
