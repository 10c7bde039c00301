package scheduler

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/kv"
	"github.com/hodei-jobs/hodei/schemas"
)

// TestALimitedCallerDoesNotSeeTheFleet: workers belong to no pipeline.
func TestALimitedCallerDoesNotSeeTheFleet(t *testing.T) {
	s := New(Config{})
	worker := hodei.WorkerID{15: 1}
	s.watched(kv.Update{WorkerID: worker, Availability: &hodei.Availability{WorkerID: worker, Status: hodei.WorkerAvailable, Slots: 1, Free: 1, Revision: 1}})
	req := schemas.ScheduleRequest{DryRun: true, JobConfig: &schemas.JobConfig{}}
	for name, c := range map[string]struct {
		caller hodei.Caller
		want   int
	}{
		"viewer":         {hodei.Caller{Role: hodei.Viewer}, 1},
		"limited viewer": {hodei.Caller{Role: hodei.Viewer, Pipelines: []hodei.PipelineID{{15: 2}}}, 0},
	} {
		d, err := s.schedule(hodei.WithCaller(t.Context(), c.caller), req)
		require.NoError(t, err)
		require.NotNil(t, d.Candidates, name)
		require.Len(t, d.Candidates, c.want, name)
		require.Nil(t, d.Reason, name)
	}
}
