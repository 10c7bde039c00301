package main

import (
	"log/slog"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei/edge"
	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
)

// Without access control, only programs of this machine may reach the edge,
// unless the operator accepts the risk.
func TestOtherHostsNeedInsecure(t *testing.T) {
	t.Parallel()
	for host, open := range map[string]bool{
		"": false, "127.0.0.1": false, "127.0.0.9": false, "localhost": false, "::1": false,
		"0.0.0.0": true, "::": true, "10.0.0.1": true, "hodei.example": true, "localhost.example": true, "::ffff:10.0.0.1": true,
	} {
		f := &edgeFlags{}
		flags := pflag.NewFlagSet("", pflag.ContinueOnError)
		f.add(flags)
		require.NoError(t, flags.Parse([]string{"--host", host, "--allowed-host", "a,b", "--allowed-host", "c"}))
		cfg, err := f.config(slog.New(slog.DiscardHandler))
		if open {
			require.ErrorContains(t, err, "--insecure", host)
			require.Equal(t, 2, cmdline.ExitCode(err))
			f.insecure = true
			cfg, err = f.config(slog.New(slog.DiscardHandler))
		}
		require.NoError(t, err, host)
		require.Equal(t, host, cfg.Host)
		require.Equal(t, []string{"a", "b", "c"}, cfg.AllowedHosts)
		require.Equal(t, edge.MaxStreams, cfg.MaxStreams)
	}
}
