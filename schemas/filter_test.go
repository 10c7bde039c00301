package schemas

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
)

func TestOneOf(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]OneOf[hodei.ExecutionStatus]{
		`{"status":"RUNNING"}`: {"RUNNING"}, `{"status":"running,Failed"}`: {"running", "Failed"},
		`{"status":""}`: nil, `{"status":null}`: nil, `{}`: nil,
	} {
		var req ListExecutionsRequest
		require.NoError(t, json.Unmarshal([]byte(text), &req), text)
		require.Equal(t, want, req.Status, text)
		again, err := json.Marshal(req)
		require.NoError(t, err)
		var back ListExecutionsRequest
		require.NoError(t, json.Unmarshal(again, &back))
		require.Equal(t, req, back)
	}
	states, err := States("status", OneOf[hodei.ExecutionStatus]{"running", "Timed_Out"}, hodei.ExecutionTransitions)
	require.NoError(t, err)
	require.Equal(t, []hodei.ExecutionStatus{hodei.Running, hodei.TimedOut}, states)
	for _, wrong := range []hodei.ExecutionStatus{"", "DONE", " RUNNING"} {
		_, err = States("status", OneOf[hodei.ExecutionStatus]{hodei.Running, wrong}, hodei.ExecutionTransitions)
		var invalid *hodei.Error
		require.ErrorAs(t, err, &invalid)
		require.Equal(t, "status", invalid.Details.Field)
		require.Contains(t, invalid.Details.Issue, "PENDING,RUNNING")
	}
}

func TestLogOptionsTakeDays(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 8, 12, 0, 0, 0, time.UTC)
	f, err := LogOptions{Since: "7d", Until: "1d12h"}.Filter(now)
	require.NoError(t, err)
	require.Equal(t, hodei.LogFilter{Since: now.AddDate(0, 0, -7), Until: now.Add(-36 * time.Hour)}, f)
	for _, wrong := range []string{"yesterday", "-1d", "1.5d", "10"} {
		_, err = LogOptions{Since: wrong}.Filter(now)
		require.ErrorContains(t, err, "since: RFC 3339 time or a duration like 10m or 7d required", wrong)
	}
}
