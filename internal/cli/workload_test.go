package cli

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
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

func TestLater(t *testing.T) {
	var l later
	require.Empty(t, l.String())
	require.NoError(t, l.Set("2027-01-31T08:00:00Z"))
	require.Equal(t, "2027-01-31T08:00:00Z", l.String())
	require.NoError(t, l.Set("7d"))
	require.WithinDuration(t, time.Now().Add(7*cmdline.Day), *l.at, time.Minute)
	require.ErrorContains(t, l.Set("tomorrow"), "a time such as 2027-01-31T08:00:00Z or a duration")
}
