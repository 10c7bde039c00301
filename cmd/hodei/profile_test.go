package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestProfilesAreServedAtTheGivenAddress(t *testing.T) {
	var screen strings.Builder
	require.NoError(t, profile("", &screen))
	require.Empty(t, screen.String(), "nothing is served without an address")

	require.NoError(t, profile("127.0.0.1:0", &screen))
	at := strings.TrimSpace(strings.TrimPrefix(screen.String(), "pprof "))
	for _, kind := range []string{"heap", "mutex", "block", "goroutine"} {
		resp, err := http.Get(at + kind + "?debug=1")
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.StatusOK, resp.StatusCode, kind)
	}
	require.ErrorContains(t, profile("no such address", &screen), "serve profiles")
}
