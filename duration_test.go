package hodei_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
)

func TestParseDuration(t *testing.T) {
	const day = 24 * time.Hour
	for text, want := range map[string]time.Duration{
		"90s": 90 * time.Second, "5m": 5 * time.Minute, "1h30m": 90 * time.Minute, "1.5s": 1500 * time.Millisecond, "250ms": 250 * time.Millisecond,
		"7d": 7 * day, "1d12h": 36 * time.Hour, "0": 0, "0s": 0, "0d": 0, "106751d": 106751 * day,
	} {
		got, err := hodei.ParseDuration(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "5", "-5s", "-1d", "5 m", "1w", "d", "1.5d", "m5", "+5s", "7d-1h", "7d5", "90 d", "1h1d", "106752d", "106751d24h", "99999999999999999999d"} {
		_, err := hodei.ParseDuration(text)
		require.ErrorContains(t, err, "a duration such as 90s, 5m, 1h or 7d is required", text)
	}
	_, err := hodei.ParseDuration("60")
	require.ErrorContains(t, err, "write 60s for seconds")
}
