package define

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
)

func TestWorkload(t *testing.T) {
	run, err := (&Workload{}).Request(nil)
	require.NoError(t, err)
	require.Nil(t, run.Command)
	require.Nil(t, run.Requirements)
	require.Nil(t, run.TimeoutSeconds)

	// One word with spaces is the name of a program, not a script.
	run, err = (&Workload{timeout: cmdline.Duration(90 * time.Second), slots: 2, labels: cmdline.Pairs{"zone": "a"}, kind: "rust"}).Request([]string{"a b"})
	require.NoError(t, err)
	require.Equal(t, hodei.Command{Args: []string{"a b"}}, *run.Command)
	require.Equal(t, 90.0, *run.TimeoutSeconds)
	require.Equal(t, hodei.Requirements{Capacity: 2, Labels: map[string]string{"zone": "a"}}, *run.Requirements)
	require.Equal(t, "rust", *run.Type)

	run, err = (&Workload{script: "a | b"}).Request(nil)
	require.NoError(t, err)
	require.Equal(t, hodei.Command{Shell: "a | b"}, *run.Command)
}
