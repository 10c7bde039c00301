package orchestrator

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
)

// TestWarningsReachTheRunAbove: a run that completes with warnings gives one to the job that
// waits for it, which a rerun of what failed repeats.
func TestWarningsReachTheRunAbove(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.scheduler(&neighbours{})
	b.define("slug: smoke\njobs:\n  lint: { command: lint, allow_failure: true }\n",
		"slug: release\njobs:\n  smoke: { pipeline: { slug: smoke } }\n  apart: { pipeline: { slug: smoke, wait: false } }\n")
	r := b.executeSlug("release")
	for _, key := range []string{"smoke", "apart"} {
		b.finish(b.waitChild(r.ID, key, hodei.RunRunning).RunID, "lint", hodei.Outcome{Status: hodei.Failed})
	}
	r = b.waitRun(r.ID, hodei.RunCompleted)
	require.Equal(t, 1, r.Warnings)
	for _, j := range r.Jobs {
		require.Equal(t, j.Key == "smoke", j.Warning, j.Key)
	}
	require.Equal(t, 1, b.waitChild(r.ID, "smoke", hodei.RunCompleted).Warnings)

	again, err := rpc.Call(t.Context(), b.nc, schemas.RerunRun, schemas.RerunRunRequest{ID: hodei.RefTo(r.ID)})
	require.NoError(t, err)
	b.finish(b.waitChild(again.ID, "smoke", hodei.RunRunning).RunID, "lint", completed)
	require.Zero(t, b.waitRun(again.ID, hodei.RunCompleted).Warnings)
}
