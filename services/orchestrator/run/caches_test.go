package run

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
)

// TestTheScopeOfCachesStays: the run of a fork saves caches for its pull request alone, and so
// do its reruns and the runs that it starts.
func TestTheScopeOfCachesStays(t *testing.T) {
	from := Source{Jobs: []hodei.Job{job("a", "")}}
	own := hodei.Run{Trigger: hodei.RunTrigger{Kind: hodei.TriggerPullRequest, PullRequest: "7"}}
	require.NoError(t, Expand(&own, from))
	require.Empty(t, own.Plan.CacheScope, "a pull request of the repository itself")

	fork := hodei.Run{Trigger: hodei.RunTrigger{Kind: hodei.TriggerPullRequest, PullRequest: "7", Fork: true}}
	require.NoError(t, Expand(&fork, from))
	require.Equal(t, "pull/7", fork.Plan.CacheScope)
	var again hodei.Run
	require.NoError(t, Rerun(&again, fork, []string{rerunAll}))
	require.Equal(t, "pull/7", again.Plan.CacheScope)
	child := hodei.Run{Trigger: hodei.RunTrigger{Kind: hodei.TriggerPipeline}}
	from.CacheScope = again.Plan.CacheScope
	require.NoError(t, ExpandCall(&child, from, hodei.RunCall{}))
	require.Equal(t, "pull/7", child.Plan.CacheScope)
}

// TestKeysOfCachesAreResolved: all of their references but file_hash, and the definition of the run
// stays as it is.
func TestKeysOfCachesAreResolved(t *testing.T) {
	const key = "${{ matrix.os }}-${{ needs.a.outputs.v }}-${{ file_hash('go.sum') }}"
	s := play1(t, hodei.Settings{}, job("a", ""), job("b", "a", matrix(hodei.Matrix{Include: []map[string]hodei.Scalar{{"os": "linux"}}}), func(j *hodei.Job) {
		j.Caches = []hodei.CacheSpec{{Key: key, Restore: []string{"${{ matrix.os }}-"}, Paths: []string{"p"}}}
	})).ends("a", "COMPLETED", "v=1.30")
	require.Equal(t, []hodei.CacheSpec{{Key: "linux-1.30-${{ file_hash('go.sum') }}", Restore: []string{"linux-"}, Paths: []string{"p"}}}, s.started("b[os=linux]").Caches)
	for _, j := range s.r.Jobs {
		if j.Job == "b" {
			require.Equal(t, key, j.Spec.Caches[0].Key)
		}
	}
}
