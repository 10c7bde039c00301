package session

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
	"github.com/hodei-jobs/hodei/schemas"
)

func TestMoment(t *testing.T) {
	var created schemas.Created
	after := moment{&created.CreatedAfter}
	require.Empty(t, after.String())
	require.NoError(t, after.Set("2026-01-02T03:04:05Z"))
	require.Equal(t, "2026-01-02T03:04:05Z", after.String())
	require.NoError(t, after.Set("7d"))
	require.WithinDuration(t, time.Now().Add(-7*cmdline.Day), *created.CreatedAfter, time.Minute)
	require.ErrorContains(t, after.Set("yesterday"), "a time such as 2026-01-02T15:04:05Z or a duration")
	var states States[hodei.ExecutionStatus]
	states.Of = hodei.ExecutionTransitions
	require.NoError(t, states.Set("failed,timed_out"))
	require.Equal(t, "FAILED,TIMED_OUT", states.String())
	require.ErrorContains(t, states.Set("failed,done"), "separated by commas")
}
