package cli

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
	"github.com/hodei-jobs/hodei/schemas"
)

// An environment variable's value is kept to the letter.
func TestPairs(t *testing.T) {
	var p pairs
	for _, text := range []string{"A=1,2", `B="q"`, "C=x=y", "D="} {
		require.NoError(t, p.Set(text))
	}
	require.Equal(t, pairs{"A": "1,2", "B": `"q"`, "C": "x=y", "D": ""}, p)
	require.Error(t, p.Set("=x"))
	require.Error(t, p.Set("x"))
}

func TestWorkload(t *testing.T) {
	run, err := (&workload{}).request(nil)
	require.NoError(t, err)
	require.Nil(t, run.Command)
	require.Nil(t, run.Requirements)
	require.Nil(t, run.TimeoutSeconds)

	// One word with spaces is the name of a program, not a script.
	run, err = (&workload{timeout: 90 * time.Second, slots: 2, labels: pairs{"zone": "a"}, kind: "rust"}).request([]string{"a b"})
	require.NoError(t, err)
	require.Equal(t, hodei.Command{Args: []string{"a b"}}, *run.Command)
	require.Equal(t, 90.0, *run.TimeoutSeconds)
	require.Equal(t, hodei.Requirements{Capacity: 2, Labels: map[string]string{"zone": "a"}}, *run.Requirements)
	require.Equal(t, "rust", *run.Type)

	run, err = (&workload{script: "a | b"}).request(nil)
	require.NoError(t, err)
	require.Equal(t, hodei.Command{Shell: "a | b"}, *run.Command)
}

func TestMoment(t *testing.T) {
	var created schemas.Created
	after := moment{&created.CreatedAfter}
	require.Empty(t, after.String())
	require.NoError(t, after.Set("2026-01-02T03:04:05Z"))
	require.Equal(t, "2026-01-02T03:04:05Z", after.String())
	require.NoError(t, after.Set("7d"))
	require.WithinDuration(t, time.Now().Add(-7*cmdline.Day), *created.CreatedAfter, time.Minute)
	require.ErrorContains(t, after.Set("yesterday"), "a time such as 2026-01-02T15:04:05Z or a duration")
	var states states[hodei.ExecutionStatus]
	states.of = hodei.ExecutionTransitions
	require.NoError(t, states.Set("failed,timed_out"))
	require.Equal(t, "FAILED,TIMED_OUT", states.String())
	require.ErrorContains(t, states.Set("failed,done"), "separated by commas")
}
