package cmdline

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAge(t *testing.T) {
	for text, want := range map[string]time.Duration{"90d": 90 * Day, "0d": 0, "0": 0, "36h": 36 * time.Hour, "720h": 30 * Day, "65535d": 65535 * Day} {
		var a Age
		require.NoError(t, a.Set(text), text)
		require.Equal(t, want, time.Duration(a), text)
		var again Age
		require.NoError(t, again.Set(a.String()), a.String())
		require.Equal(t, a, again)
	}
	for _, text := range []string{"", "d", "-1d", "1.5d", "-1h", "90", "65536d", "90 d", "1d12h"} {
		require.Error(t, new(Age).Set(text), text)
	}
}
