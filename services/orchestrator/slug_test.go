package orchestrator

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
)

// TestSlugs: a pipeline's slug is accepted wherever its id is, as a program
// without the SDK writes it.
func TestSlugs(t *testing.T) {
	t.Parallel()
	b := start(t)
	ask := func(op *schemas.Op, body string) []byte {
		t.Helper()
		msg, err := b.nc.Request(op.Subject, []byte(body), 30*time.Second)
		require.NoError(t, err)
		return msg.Data
	}
	refused := func(code hodei.Code, op *schemas.Op, body string) hodei.Error {
		t.Helper()
		e := decode[hodei.Error](t, ask(op, body))
		require.Equal(t, code, e.Code, body)
		return e
	}
	plain := decode[map[string]any](t, ask(schemas.CreatePipeline.Op, `{"name":"plain"}`))
	require.Contains(t, plain, "slug")
	require.Nil(t, plain["slug"])
	p := decode[hodei.Pipeline](t, ask(schemas.CreatePipeline.Op, `{"name":"Release","slug":"release-1"}`))
	require.Equal(t, "release-1", *p.Slug)

	taken := refused(hodei.Conflict, schemas.CreatePipeline.Op, `{"name":"again","slug":"release-1"}`)
	require.Contains(t, taken.Message, "release-1")
	refused(hodei.Conflict, schemas.UpdatePipeline.Op, `{"id":"`+plain["id"].(string)+`","slug":"release-1"}`)
	for _, bad := range []string{"", "-x", "Upper", "under_score", "a b", strings.Repeat("a", 64), strings.TrimPrefix(p.ID.String(), "pipe_"), p.ID.String()} {
		for _, op := range []*schemas.Op{schemas.CreatePipeline.Op, schemas.UpdatePipeline.Op} {
			body := `{"name":"x","slug":"` + bad + `"}`
			if op == schemas.UpdatePipeline.Op {
				body = `{"id":"release-1","slug":"` + bad + `"}`
			}
			require.Equal(t, "slug", refused(hodei.Invalid, op, body).Details.Field, bad)
		}
	}

	for _, ref := range []string{"release-1", p.ID.String(), strings.TrimPrefix(p.ID.String(), "pipe_")} {
		require.Equal(t, p.ID, decode[hodei.Pipeline](t, ask(schemas.GetPipeline.Op, `{"id":"`+ref+`"}`)).ID)
		job := decode[hodei.Job](t, ask(schemas.CreateJob.Op, `{"pipeline_id":"`+ref+`","command":"true"}`))
		require.Equal(t, p.ID, job.PipelineID)
		b.ended(job, hodei.Completed, 0)
	}
	require.Len(t, decode[schemas.List[any]](t, ask(schemas.ListJobs.Op, `{"pipeline_id":"release-1"}`)).Items, 3)
	require.Len(t, decode[schemas.List[any]](t, ask(schemas.ListExecutions.Op, `{"pipeline_id":"release-1"}`)).Items, 3)

	for _, op := range []*schemas.Op{schemas.CreateJob.Op, schemas.ListJobs.Op, schemas.ListExecutions.Op} {
		for _, bad := range []string{"nonsense", "pipe_nonsense", "job_" + strings.TrimPrefix(p.ID.String(), "pipe_")} {
			e := refused(hodei.Invalid, op, `{"pipeline_id":"`+bad+`"}`)
			require.Equal(t, hodei.ErrorDetails{Field: "pipeline_id", Issue: "UUID format required"}, *e.Details, bad)
		}
	}
	for _, op := range []*schemas.Op{schemas.GetPipeline.Op, schemas.UpdatePipeline.Op, schemas.DeletePipeline.Op} {
		for _, bad := range []string{"nonsense", "pipe_nonsense", "No slug"} {
			require.Equal(t, bad, refused(hodei.NotFound, op, `{"id":"`+bad+`"}`).ResourceID)
		}
	}

	moved := decode[hodei.Pipeline](t, ask(schemas.UpdatePipeline.Op, `{"id":"release-1","slug":"release-2"}`))
	require.Equal(t, p.ID, moved.ID)
	require.Equal(t, "release-2", *moved.Slug)
	refused(hodei.NotFound, schemas.GetPipeline.Op, `{"id":"release-1"}`)
	require.Nil(t, decode[hodei.Pipeline](t, ask(schemas.UpdatePipeline.Op, `{"id":"release-2","slug":null}`)).Slug)
	ask(schemas.UpdatePipeline.Op, `{"id":"`+p.ID.String()+`","slug":"gone"}`)
	ask(schemas.DeletePipeline.Op, `{"id":"gone"}`)
	refused(hodei.NotFound, schemas.GetPipeline.Op, `{"id":"`+p.ID.String()+`"}`)
}
