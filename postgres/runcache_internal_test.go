package postgres

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
)

// TestRunCacheHoldsOneRevision: jobs that another instance has changed since are not
// used, and what is taken is no longer there for a second step at the same time.
func TestRunCacheHoldsOneRevision(t *testing.T) {
	t.Parallel()
	var c runCache
	id, jobs := NewID[hodei.RunID](), make([]hodei.RunJob, 3)
	c.put(id, 7, jobs)
	got, ok := c.take(id, 7)
	require.True(t, ok)
	require.Len(t, got, 3)
	_, ok = c.take(id, 7)
	require.False(t, ok)
	c.put(id, 7, jobs)
	_, ok = c.take(id, 8)
	require.False(t, ok)
	require.Zero(t, c.jobs)
}

// TestRunCacheIsBounded by the number of jobs.
func TestRunCacheIsBounded(t *testing.T) {
	t.Parallel()
	var c runCache
	for range 30 {
		c.put(NewID[hodei.RunID](), 1, make([]hodei.RunJob, mostCached/10))
		require.LessOrEqual(t, c.jobs, mostCached)
	}
}
