package cmdline

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// An environment variable's value is kept to the letter.
func TestPairs(t *testing.T) {
	var p Pairs
	for _, text := range []string{"A=1,2", `B="q"`, "C=x=y", "D="} {
		require.NoError(t, p.Set(text))
	}
	require.Equal(t, Pairs{"A": "1,2", "B": `"q"`, "C": "x=y", "D": ""}, p)
	require.Error(t, p.Set("=x"))
	require.Error(t, p.Set("x"))
}

func TestLater(t *testing.T) {
	var l Later
	require.Empty(t, l.String())
	require.NoError(t, l.Set("2027-01-31T08:00:00Z"))
	require.Equal(t, "2027-01-31T08:00:00Z", l.String())
	require.NoError(t, l.Set("7d"))
	require.WithinDuration(t, time.Now().Add(7*Day), *l.At, time.Minute)
	require.ErrorContains(t, l.Set("tomorrow"), "a time such as 2027-01-31T08:00:00Z or a duration")
}
