package orchestrator

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/postgres"
	"github.com/hodei-jobs/hodei/schemas"
)

// TestPatchTakesWhatPostTakes: each field of a job's place in its pipeline can be changed, left
// alone and removed, and the whole pipeline is checked before anything is changed.
func TestPatchTakesWhatPostTakes(t *testing.T) {
	t.Parallel()
	b := start(t)
	p := b.pipeline(needing("build"), needing("test", "build"))
	jobs, _, err := b.db.ListJobs(t.Context(), postgres.JobFilter{PipelineIDs: []hodei.PipelineID{p}}, postgres.Page{Size: 10})
	require.NoError(t, err)
	ids := map[string]hodei.JobID{}
	for _, j := range jobs {
		ids[j.Key] = j.ID
	}
	patch := func(key, body string) []byte {
		t.Helper()
		msg, err := b.nc.Request(schemas.UpdateJob.Subject, []byte(`{"id":"`+ids[key].String()+`",`+body+`}`), 30*time.Second)
		require.NoError(t, err)
		return msg.Data
	}
	whole := `"needs":["build"],"when":"always","if":{"run.branch":"main"},"matrix":{"values":{"os":["a","b"]},"max_parallel":1},
		"allow_failure":{"exit_codes":[2]},"approval":{"message":"go?"},"shell":"bash","after":"echo done","retries":{"max":2,"on":["exit:75","WORKER_LOST"]}`
	j := decode[hodei.Job](t, patch("test", whole))
	require.Equal(t, []hodei.Need{{Job: "build"}}, j.Needs)
	require.Equal(t, hodei.WhenAlways, j.When)
	require.Equal(t, hodei.Conditions{{"run.branch": {"main"}}}, j.If)
	require.Equal(t, 1, j.Matrix.MaxParallel)
	require.Equal(t, []int{2}, j.AllowFailure.ExitCodes)
	require.Equal(t, "go?", j.Approval.Message)
	require.Equal(t, "bash", j.Shell.Name)
	require.Equal(t, "echo done", j.After)
	require.Equal(t, []string{"exit:75", "WORKER_LOST"}, j.Retries.On)

	j = decode[hodei.Job](t, patch("test", `"if":null,"matrix":null,"approval":null,"when":null,"shell":null,"after":null,"allow_failure":true`))
	require.Equal(t, hodei.Graph{Key: "test", Needs: []hodei.Need{{Job: "build"}}, AllowFailure: hodei.AllowFailure{Any: true}}, j.Graph)
	require.Equal(t, hodei.Setup{}, j.Setup)
	require.Equal(t, 2, j.Retries.Max, "what is not named stays")
	j = decode[hodei.Job](t, patch("test", `"needs":[],"finally":true`))
	require.Empty(t, j.Needs)
	require.True(t, j.Finally)
	decode[hodei.Job](t, patch("test", `"finally":false,"needs":["build"]`))

	for body, field := range map[string]string{
		`"needs":["nothing"]`: "needs[0]", `"needs":["test"]`: "needs[0]", `"when":"sometimes"`: "when", `"key":"build"`: "key",
		`"if":{"params.nothing":"x"}`: "if.params.nothing", `"retries":{"max":1,"on":["nonsense"]}`: "retries.on[0]",
		`"matrix":{"values":{"os":[]}}`: "matrix.values.os", `"nothing":1`: "nothing", `"container":{"image":"x"}`: "container",
	} {
		e := decode[hodei.Error](t, patch("test", body))
		require.Equal(t, hodei.Invalid, e.Code, body)
		require.Equal(t, field, e.Details.Field, "%s: %s", body, e.Details.Issue)
	}
	cycle := decode[hodei.Error](t, patch("build", `"needs":["test"]`))
	require.Equal(t, hodei.Invalid, cycle.Code)
	require.Contains(t, cycle.Details.Field, "needs")
	require.Contains(t, cycle.Details.Issue, "cycle")
	renamed := decode[hodei.Error](t, patch("build", `"key":"compile"`))
	require.Equal(t, "key", renamed.Details.Field)
	require.Contains(t, renamed.Details.Issue, "jobs.test.needs[0]", "another job needs it")
	now, err := b.db.GetJob(t.Context(), ids["build"])
	require.NoError(t, err)
	require.Equal(t, hodei.Graph{Key: "build"}, now.Graph, "nothing was changed")
}
