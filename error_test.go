package hodei_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
)

func TestErrorUnwrapsToItsCodeAndItsCause(t *testing.T) {
	failed := &hodei.Error{Code: hodei.Unavailable, Message: "No worker", Err: io.ErrUnexpectedEOF}
	wrapped := fmt.Errorf("assign execution: %w", failed)
	require.ErrorIs(t, wrapped, hodei.Unavailable)
	require.ErrorIs(t, wrapped, io.ErrUnexpectedEOF)
	require.NotErrorIs(t, wrapped, hodei.NotFound)
	require.Same(t, failed, hodei.AsError(wrapped))
	require.EqualError(t, failed, "No worker: unexpected EOF")
	require.NotErrorIs(t, hodei.Errorf(hodei.Conflict, "taken"), io.ErrUnexpectedEOF)
}

func TestErrorShowsNothingOfTheInside(t *testing.T) {
	secret := errors.New("password=hunter2")
	shown := hodei.AsError(fmt.Errorf("connect: %w", secret))
	require.Equal(t, hodei.Internal, shown.Code)
	require.ErrorIs(t, shown, secret, "the log still has the cause")
	body, err := json.Marshal(shown)
	require.NoError(t, err)
	require.NotContains(t, string(body), "hunter2")

	coded := hodei.AsError(fmt.Errorf("password=hunter2: %w", hodei.Conflict))
	require.Equal(t, hodei.Conflict, coded.Code)
	require.NotContains(t, coded.Message, "hunter2")
}

func TestErrorBodyIsTheContracts(t *testing.T) {
	body, err := json.Marshal(hodei.InvalidField("name", "required"))
	require.NoError(t, err)
	require.JSONEq(t, `{"error":"VALIDATION_ERROR","message":"Invalid request parameters",
		"details":{"field":"name","issue":"required"},"timestamp":"0001-01-01T00:00:00Z","request_id":""}`, string(body))

	body, err = json.Marshal(hodei.Missing("pipeline", "pipe_x"))
	require.NoError(t, err)
	require.JSONEq(t, `{"error":"NOT_FOUND","message":"Pipeline not found","resource":"pipeline",
		"resource_id":"pipe_x","timestamp":"0001-01-01T00:00:00Z","request_id":""}`, string(body))
	require.Less(t, len(hodei.Missing("job", strings.Repeat("x", 5000)).ResourceID), 100)
}

func TestEveryCodeHasItsStatus(t *testing.T) {
	seen := map[int]hodei.Code{}
	for code, status := range hodei.Codes {
		require.Equal(t, status, code.Status())
		require.GreaterOrEqual(t, status, 400)
		if code == hodei.Rejected { // shares its status with RateLimited
			continue
		}
		require.Empty(t, seen[status], "each other status belongs to one code only")
		seen[status] = code
		found, ok := hodei.CodeOf(status)
		require.True(t, ok)
		require.Equal(t, code, found)
	}
	require.Equal(t, 500, hodei.Code("NOT_A_CODE").Status())
}
