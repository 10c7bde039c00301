package rpc

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
)

// TestHealth: required checks decide whether a service is ready, reported ones
// do not. Messages for users are shown, other errors are not.
func TestHealth(t *testing.T) {
	t.Parallel()
	fine := func(context.Context) error { return nil }
	full := func(context.Context) error {
		return &hodei.Error{Code: hodei.Unavailable, Message: "The disk is full", Err: errors.New("write /secret/path")}
	}
	broken := func(context.Context) error { return errors.New("write /secret/path") }

	health := Health(t.Context(), Checks{"postgres": fine}, Checks{"workers": full})
	require.True(t, health.Ready)
	require.Equal(t, map[string]string{"postgres": "ok", "workers": "The disk is full"}, health.Checks)

	health = Health(t.Context(), Checks{"postgres": full, "streams": broken}, nil)
	require.False(t, health.Ready)
	require.Equal(t, map[string]string{"postgres": "The disk is full", "streams": "unavailable"}, health.Checks)
}

// TestHealthWithACheckThatHangs: a check that hangs does not hide the others,
// and the report arrives before the caller's timeout.
func TestHealthWithACheckThatHangs(t *testing.T) {
	t.Parallel()
	hangs := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	health := Health(t.Context(), Checks{"a": hangs, "b": hangs, "c": func(context.Context) error { return nil }}, nil)
	require.Equal(t, map[string]string{"a": "unavailable", "b": "unavailable", "c": "ok"}, health.Checks)
	require.Less(t, checkWithin, 2*time.Second)
}
