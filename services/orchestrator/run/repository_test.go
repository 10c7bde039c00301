package run

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
)

// fromRepository plays a run whose definition, with the jobs of found, is in its repository.
func fromRepository(t *testing.T, found Source, err error) scene {
	t.Helper()
	r := &hodei.Run{ID: hodei.RunID{1}, Status: hodei.RunRunning, CreatedAt: start, StartedAt: &start}
	settings := hodei.Settings{Source: &hodei.Source{Git: "https://x/y"}, FailFast: true, Concurrency: &hodei.Concurrency{Key: "k"}}
	applied := []hodei.Job{job("a", "", func(j *hodei.Job) { j.Secrets = []hodei.SecretRef{{Name: "S"}} })}
	require.NoError(t, Expand(r, Source{Settings: settings, Jobs: applied, Repository: true}))
	require.Equal(t, hodei.Grant{File: "hodei.yaml", Secrets: []string{"S"}, Jobs: map[string]hodei.JobID{"a": applied[0].ID}}, *r.Plan.Grant)
	w := newWorld(t, r, false)
	w.read = func(hodei.Grant, string) (Source, error) { return found, err }
	return scene{t, w}
}

func TestTheDefinitionOfTheRepositoryFollowsItsSource(t *testing.T) {
	s := fromRepository(t, Source{Jobs: []hodei.Job{
		job("a", ""), job("b", "a", matrix(hodei.Matrix{From: "needs.a.outputs.list"})), job("end", "", finally),
	}}, nil)
	s.is("RUNNING", "source PENDING").ends("source", "definition=x").
		is("RUNNING", "source COMPLETED, a PENDING, b WAITING, end WAITING").ends("a", `list=[1]`).
		is("RUNNING", "source COMPLETED, a COMPLETED, b[item=1] PENDING, end WAITING").ends("b[item=1]").ends("end").
		is("COMPLETED", "source COMPLETED, a COMPLETED, b[item=1] COMPLETED, end COMPLETED")
	require.Nil(t, s.r.Plan.Grant)
	require.False(t, s.r.Plan.FailFast, "the file has no fail_fast")
	require.Equal(t, "k", s.r.Plan.Concurrency.Key, "the key is that of the applied definition")
	require.Empty(t, s.r.Jobs[0].Outputs)
}

func TestARunWithoutItsDefinitionEnds(t *testing.T) {
	fromRepository(t, Source{}, nil).ends("source", "FAILED").is("FAILED", "source FAILED")
	fromRepository(t, Source{}, nil).ends("source").is("FAILED", "source FAILED DEFINITION")
	s := fromRepository(t, Source{}, hodei.InvalidDefinition([]hodei.Problem{{Field: "jobs.a", Issue: "is bad", Line: 3, Column: 5}, {Issue: "is worse"}}))
	s.ends("source", "definition=x").is("FAILED", "source FAILED DEFINITION")
	require.Equal(t, "hodei.yaml:3:5: jobs.a: is bad, hodei.yaml: is worse", *s.r.Jobs[0].Message)

	s = fromRepository(t, Source{Jobs: []hodei.Job{job("a", ""), job("end", "", finally)}}, nil)
	require.NoError(t, Cancel(s.r, hodei.ReasonCancelled, s.now))
	s.step()
	s.ends("source", "definition=x").is("RUNNING", "source COMPLETED, a CANCELLED CANCELLED, end PENDING").ends("end").
		is("CANCELLED", "source COMPLETED, a CANCELLED CANCELLED, end COMPLETED")
}
