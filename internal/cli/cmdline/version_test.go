package cmdline

import (
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBuilt(t *testing.T) {
	require.Empty(t, built(nil))
	require.Equal(t, " (commit 0123456789ab of 2026-01-02T03:04:05Z, modified)", built([]debug.BuildSetting{
		{Key: "vcs.revision", Value: "0123456789abcdef"}, {Key: "vcs.time", Value: "2026-01-02T03:04:05Z"}, {Key: "vcs.modified", Value: "true"},
	}))
}
