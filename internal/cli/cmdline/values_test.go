package cmdline

import (
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
)

func TestDuration(t *testing.T) {
	for text, want := range map[string]string{
		"0": "0", "0d": "0", "90d": "90d", "720h": "30d", "36h": "1d12h", "1d1s": "1d1s", "60m": "1h", "90m": "1h30m", "600s": "10m",
		"45s": "45s", "10s": "10s", "3605s": "1h0m5s", "1500ms": "1.5s",
	} {
		var d, again Duration
		require.NoError(t, d.Set(text), text)
		require.Equal(t, want, d.String(), text)
		require.NoError(t, again.Set(want), want)
		require.Equal(t, d, again)
	}
	d := Duration(Day)
	for _, text := range []string{"", "d", "-1d", "1.5d", "-1h", "90", "106752d", "90 d"} {
		require.ErrorContains(t, d.Set(text), "a duration such as 90s, 5m, 1h or 7d is required", text)
		require.Equal(t, Duration(Day), d, "a wrong value changes nothing")
	}
}

// The default of a flag is shown in its help, unless it is 0.
func TestDurationDefaultInHelp(t *testing.T) {
	week, none := Duration(7*Day), Duration(0)
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	flags.Var(&week, "keep", "how long")
	flags.Var(&none, "wait", "how long")
	require.Contains(t, flags.FlagUsages(), "--keep duration   how long (default 7d)")
	require.NotContains(t, flags.FlagUsages(), "default 0")
}
