package fleet

import (
	"bytes"
	"flag"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/cli/session"
	"github.com/hodei-jobs/hodei/schemas"
)

var update = flag.Bool("update", false, "rewrite the golden")

func TestShow(t *testing.T) {
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	var out, errs bytes.Buffer
	s := session.Printing(&out, &errs, "")
	s.Now = func() time.Time { return noon }
	require.NoError(t, showWorker(s, hodei.Worker{Name: new("builder"), Type: "rust", Status: hodei.WorkerBusy, Capacity: 1, TotalCapacity: 4, Running: 3,
		RegisteredAt: noon.Add(-90 * time.Minute), LastSeenAt: new(noon.Add(-2 * time.Second)), AckLatencySeconds: new(0.0023), SuccessRate: new(0.994),
		Labels: map[string]string{"zone": "a", "arch": "arm"}}))
	require.NoError(t, showQueue(t.Context(), s, schemas.QueueList{Total: 7, Items: []schemas.QueueEntry{{Position: 1, Priority: 9, AgeSeconds: 75.2, Reason: "no worker of type rust"}}}))
	require.Equal(t, "and 6 more\n", errs.String())
	const path = "testdata/show.golden"
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, out.Bytes(), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "run: go test ./internal/cli/fleet -update")
	require.Equal(t, string(want), out.String())
}
