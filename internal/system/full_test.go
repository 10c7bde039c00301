package system_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/local/localtest"
	"github.com/hodei-jobs/hodei/internal/system"
	"github.com/hodei-jobs/hodei/schemas"
	"github.com/hodei-jobs/hodei/services/artifacts"
	"github.com/hodei-jobs/hodei/services/artifacts/blob"
)

// TestFilesOnFullDisks: if the disk of the store or of a worker is full, the log of the job
// has the reason, and no half artifact is visible. The upload goes on once the store has
// space again.
func TestFilesOnFullDisks(t *testing.T) {
	t.Parallel()
	stored, small := localtest.NewDisk(t, 64<<20), localtest.NewDisk(t, 12<<20)
	store, err := blob.OpenDir(stored.Dir)
	require.NoError(t, err)
	defer store.Close()
	r := newRuns(t, 2, func(cfg *system.Config) {
		cfg.Artifacts = &artifacts.Config{Store: store}
		w := &cfg.Workers[1]
		w.Type, w.StateDir, w.MinFree = "small", small.Dir, -1
	})
	full := filepath.Join(t.TempDir(), "full")
	r.apply("full", `
slug: full
jobs:
  wide:
    type: shell
    env: { FULL: `+full+` }
    command: head -c 16000000 /dev/urandom > big; until [ -e $FULL ]; do sleep 0.01; done
    artifacts: [ { name: big, paths: [big] } ]
  narrow:
    type: small
    command: head -c 8000000 /dev/urandom > big
    artifacts: [ { name: big, paths: [big] } ]
  fits: { needs: [wide], type: shell, command: test "$(wc -c < big)" = 16000000 }
  filled: { needs: [wide], type: small, command: echo started }
`)
	run := r.execute("full")
	require.NoError(t, stored.Leave(3<<20))
	require.NoError(t, os.WriteFile(full, nil, 0o600))
	require.Eventually(t, func() bool {
		return strings.Contains(r.logOf("full#1/wide"), "is delayed and will be retried: the disk of the store of artifacts is full; free some space")
	}, time.Minute, 10*time.Millisecond)
	list, err := r.faces[0].ListArtifacts(t.Context(), schemas.ListArtifactsRequest{ID: hodei.RefTo(run.ID)})
	require.NoError(t, err)
	require.Empty(t, list.Items)
	require.NoError(t, stored.Free())

	run = r.ended("full#1")
	r.jobs(run, map[string]hodei.RunJobStatus{"wide": hodei.JobCompleted, "fits": hodei.JobCompleted, "narrow": hodei.JobFailed, "filled": hodei.JobFailed})
	for _, key := range []string{"narrow", "filled"} {
		require.Equal(t, hodei.ReasonArtifactFailed, *r.job("full#1", key).Reason)
		require.Contains(t, r.logOf(hodei.ExecutionRef("full#1/"+key)), "no space left on device")
		require.NotContains(t, r.logOf(hodei.ExecutionRef("full#1/"+key)), "started")
	}
	list, err = r.faces[0].ListArtifacts(t.Context(), schemas.ListArtifactsRequest{ID: hodei.RefTo(run.ID)})
	require.NoError(t, err)
	require.Len(t, list.Items, 1)
	require.Equal(t, "wide", *list.Items[0].JobKey)
}

// logOf is the log of an execution so far.
func (r *runs) logOf(ref hodei.ExecutionRef) (text string) {
	r.t.Helper()
	for line, err := range r.faces[0].Logs(r.t.Context(), schemas.FollowLogsRequest{ID: ref}) {
		require.NoError(r.t, err)
		text += line.Line + "\n"
	}
	return text
}
