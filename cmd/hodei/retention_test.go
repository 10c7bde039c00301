package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAge(t *testing.T) {
	for text, want := range map[string]time.Duration{"90d": 90 * day, "0d": 0, "0": 0, "36h": 36 * time.Hour, "720h": 30 * day, "65535d": 65535 * day} {
		var a age
		require.NoError(t, a.Set(text), text)
		require.Equal(t, want, time.Duration(a), text)
		var again age
		require.NoError(t, again.Set(a.String()), a.String())
		require.Equal(t, a, again)
	}
	for _, text := range []string{"", "d", "-1d", "1.5d", "-1h", "90", "65536d", "90 d", "1d12h"} {
		require.Error(t, new(age).Set(text), text)
	}
}
