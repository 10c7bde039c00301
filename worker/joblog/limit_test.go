package joblog

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestOutputWithinTheLimitHasNoNotes: the last byte counts.
func TestOutputWithinTheLimitHasNoNotes(t *testing.T) {
	j, l := newTestJournal(t, 1<<20, 1<<20)
	j.limit.Limit = Limit{Bytes: 10, Raise: "it"}
	j.print(5, "x")
	count, _ := j.Close()
	require.EqualValues(t, 5, count)
	require.NotContains(t, strings.Join(l.data, ""), "[hodei]")
}
