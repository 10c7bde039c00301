package run

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
)

// why is the message of a job.
func (s scene) why(key, want string) scene {
	s.Helper()
	for _, j := range s.r.Jobs {
		if j.Key == key {
			require.Equal(s, want, text(j.Message))
			return s
		}
	}
	require.FailNow(s, "no job", key)
	return s
}

// TestReasonsAreExplained: a job that was skipped, refused or ended by the run names the need, the
// condition or the person; NEEDS and CONDITION never read alike.
func TestReasonsAreExplained(t *testing.T) {
	failure := when(hodei.WhenFailure)
	play1(t, hodei.Settings{}, job("build", ""), job("lint", ""), job("deploy", "build lint"), job("page", "deploy", failure), job("after", "deploy page")).
		ends("build", "exit 1").ends("lint").
		why("deploy", "it needs other jobs, and build is FAILED").why("build", "exit code 1").ends("page").
		why("after", "it needs other jobs, and deploy is SKIPPED")
	play1(t, hodei.Settings{}, job("build", ""), job("page", "build", failure)).ends("build").
		why("page", "it runs after a failure, and there was none")
	play1(t, hodei.Settings{}, job("build", ""), job("deploy", "build", iff(
		hodei.Condition{"needs.build.outputs.env": {"prod"}, "run.trigger": {"api", "manual"}}, hodei.Condition{"params.x": {"main", "v*"}}))).
		ends("build", "env=staging").
		why("deploy", `its condition does not hold: needs.build.outputs.env is "staging", not prod, params.x is "", not main, v*`)
	play1(t, hodei.Settings{}, job("none", "", empty)).why("none", "it has no command")
	play1(t, hodei.Settings{}, job("bad", ""), job("list", "bad", matrix(hodei.Matrix{From: "needs.bad.outputs.list"}))).
		ends("bad", "list=x").
		why("list", `its matrix comes from needs.bad.outputs.list, which is "x": matrix.from: a JSON array is required`)
	play1(t, hodei.Settings{}, job("bad", ""), job("list", "bad", matrix(hodei.Matrix{From: "needs.bad.outputs.list"}))).
		ends("bad", "list=[]").why("list", "its matrix has no legs")
	play1(t, hodei.Settings{FailFast: true}, job("build", ""), job("lint", ""), job("later", "lint")).
		ends("build", "exit 1").why("later", "another job failed, and fail_fast is set")
	play1(t, hodei.Settings{}, job("build", ""), job("down", "", finally, when(hodei.WhenSuccess))).
		ends("build", "exit 1").why("down", "it runs after a success, and build is FAILED")
	s := play1(t, hodei.Settings{}, job("gate", "", approval(60)), job("other", "", approval(60)))
	require.NoError(t, Reply(s.r, "gate", Answer{By: new("ana"), Comment: new("not today")}, s.now))
	s.step()
	s.why("gate", "its approval was rejected by ana: not today")
	s.now = s.now.Add(2 * seconds(60))
	s.step()
	s.why("other", "no answer to its approval within 1m0s")
}

// TestExplanationsAreShort: of many needs, and of a long value, an explanation has the beginning.
func TestExplanationsAreShort(t *testing.T) {
	jobs := []hodei.Job{}
	for _, key := range strings.Fields("a b c d e") {
		jobs = append(jobs, job(key, ""))
	}
	s := play1(t, hodei.Settings{}, append(jobs, job("z", "a b c d e"))...)
	for _, key := range strings.Fields("a b c d e") {
		s.ends(key, "exit 1")
	}
	s.why("z", "it needs other jobs, and a is FAILED, b is FAILED, c is FAILED and 2 more")
	play1(t, hodei.Settings{}, job("a", ""), job("z", "a", iff(hodei.Condition{"needs.a.outputs.x": {"y"}}))).
		ends("a", "x="+strings.Repeat("v", 500)).
		why("z", `its condition does not hold: needs.a.outputs.x is "`+strings.Repeat("v", 99)+`…", not y`)
}
