package main

import (
	"testing"
	"time"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
)

func TestGrace(t *testing.T) {
	t.Parallel()
	given := func(args ...string) *workerFlags {
		f := &workerFlags{}
		flags := pflag.NewFlagSet("", pflag.ContinueOnError)
		f.add(flags, "worker-") // of `hodei up`; the name of the flag is the same for `hodei worker`
		require.NoError(t, flags.Parse(args))
		return f
	}
	for text, want := range map[string]time.Duration{"10s": 10 * time.Second, "90s": 90 * time.Second, "1h": time.Hour, "0": -1} {
		cfg, err := given("--grace", text).config("w", t.TempDir())
		require.NoError(t, err, text)
		require.Equal(t, want, cfg.Grace, text)
	}
	cfg, err := given().config("w", t.TempDir())
	require.NoError(t, err)
	require.Equal(t, 10*time.Second, cfg.Grace)
	_, err = given("--grace", "61m").config("w", t.TempDir())
	require.ErrorContains(t, err, "--grace must be at most 1h")
	require.Equal(t, 2, cmdline.ExitCode(err))
}
