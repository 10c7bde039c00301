package rates

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestRatesAreBounded: however many callers there are, the table keeps its size, those in it
// keep their rates, and those that do not fit are limited together.
func TestRatesAreBounded(t *testing.T) {
	r := New[int](0.001, 2)
	for i := range kept {
		require.True(t, r.Allow(i))
	}
	r.sweeps = r.sweeps.AddDate(0, 0, -1)
	require.True(t, r.Allow(-1), "the first two of the rest")
	require.True(t, r.Allow(-2))
	require.False(t, r.Allow(-3), "the rest share one")
	require.Len(t, r.of, kept)
	require.True(t, r.Allow(0))
	require.False(t, r.Allow(0))
	require.True(t, r.Exhausted(0))
	require.False(t, r.Exhausted(-4))

	idle := New[int](1e9, 2)
	for i := range 3 * kept {
		idle.sweeps = idle.sweeps.AddDate(0, 0, -1)
		require.True(t, idle.Allow(i), "who is forgotten had used nothing up")
	}
	require.LessOrEqual(t, len(idle.of), kept)
}
