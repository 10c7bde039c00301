package orchestrator

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
)

// TestFilters: states in any case, several separated by commas, and times of
// creation, as a program without the SDK asks for them.
func TestFilters(t *testing.T) {
	t.Parallel()
	b := start(t)
	job := b.job(hodei.Spec{Command: shell})
	done, failed := b.ended(job, hodei.Completed, 0), b.ended(job, hodei.Failed, 0)
	list := func(op *schemas.Op, filter string) []byte {
		t.Helper()
		msg, err := b.nc.Request(op.Subject, []byte(filter), 30*time.Second)
		require.NoError(t, err)
		return msg.Data
	}
	ids := func(filter string) (found []hodei.ExecutionID) {
		t.Helper()
		for _, e := range decode[schemas.List[hodei.Execution]](t, list(schemas.ListExecutions.Op, filter)).Items {
			found = append(found, e.ID)
		}
		return found
	}
	both := []hodei.ExecutionID{failed.ID, done.ID}
	require.Equal(t, both, ids(`{"status":"completed,Failed"}`))
	require.Equal(t, both, ids(`{"status":null}`))
	require.Equal(t, both[:1], ids(`{"status":"failed"}`))
	require.Empty(t, ids(`{"status":"RUNNING,PENDING"}`))
	later := failed.CreatedAt.Format(time.RFC3339Nano)
	require.Equal(t, both[:1], ids(fmt.Sprintf(`{"created_after":%q}`, later)))
	require.Equal(t, both[1:], ids(fmt.Sprintf(`{"created_before":%q}`, later)))
	for _, op := range []*schemas.Op{schemas.ListPipelines.Op, schemas.ListJobs.Op} {
		require.Len(t, decode[schemas.List[any]](t, list(op, `{"created_after":"2020-01-01T00:00:00Z"}`)).Items, 1)
		require.Empty(t, decode[schemas.List[any]](t, list(op, `{"created_before":"2020-01-01T00:00:00Z"}`)).Items)
	}
	require.Len(t, decode[schemas.List[any]](t, list(schemas.ListJobs.Op, `{"status":"failed,running"}`)).Items, 1)
	for _, op := range []*schemas.Op{schemas.ListJobs.Op, schemas.ListExecutions.Op} {
		refused := decode[hodei.Error](t, list(op, `{"status":"running,DONE"}`))
		require.Equal(t, hodei.Invalid, refused.Code)
		require.Equal(t, "status", refused.Details.Field)
	}
}

// TestSeveralIDs: ids and slugs of one filter, separated by commas, and a page that
// goes through the executions of several jobs in order.
func TestSeveralIDs(t *testing.T) {
	t.Parallel()
	b := start(t)
	var jobs []hodei.Job
	var all []string // newest first
	for range 3 {
		jobs = append(jobs, b.job(hodei.Spec{Command: shell}))
	}
	for range 3 {
		for _, job := range jobs {
			all = append([]string{b.ended(job, hodei.Completed, 0).ID.String()}, all...)
		}
	}
	slug := "release"
	_, err := b.db.UpdatePipeline(t.Context(), jobs[0].PipelineID, func(p *hodei.Pipeline) { p.Slug = &slug })
	require.NoError(t, err)
	pages := func(op *schemas.Op, filter string) (found []string) {
		t.Helper()
		for cursor := ""; ; {
			msg, err := b.nc.Request(op.Subject, fmt.Appendf(nil, `{"limit":2,"cursor":%q,%s}`, cursor, filter), 30*time.Second)
			require.NoError(t, err)
			page := decode[schemas.List[struct{ ID string }]](t, msg.Data)
			for _, item := range page.Items {
				found = append(found, item.ID)
			}
			if page.NextCursor == nil {
				return found
			}
			cursor = *page.NextCursor
		}
	}
	var some []string // of the first two jobs
	for i, id := range all {
		if i%3 != 0 {
			some = append(some, id)
		}
	}
	both := jobs[0].ID.String() + "," + jobs[1].ID.String() + "," + jobs[0].ID.String()
	require.Equal(t, some, pages(schemas.ListExecutions.Op, `"job_id":"`+both+`"`))
	require.Equal(t, some, pages(schemas.ListExecutions.Op, `"pipeline_id":"release,`+jobs[1].PipelineID.String()+`"`))
	require.Equal(t, some, pages(schemas.ListExecutions.Op, `"job_id":"`+both+`","pipeline_id":"release,`+jobs[1].PipelineID.String()+`"`))
	require.Equal(t, all, pages(schemas.ListExecutions.Op, `"job_id":null`))
	require.Equal(t, []string{jobs[1].ID.String(), jobs[0].ID.String()}, pages(schemas.ListJobs.Op, `"pipeline_id":"release,`+jobs[1].PipelineID.String()+`"`))
	for _, bad := range []string{"x", jobs[0].ID.String() + ",", "," + jobs[0].ID.String()} {
		msg, err := b.nc.Request(schemas.ListExecutions.Subject, []byte(`{"job_id":"`+bad+`"}`), 30*time.Second)
		require.NoError(t, err)
		require.Equal(t, "job_id", decode[hodei.Error](t, msg.Data).Details.Field, bad)
	}
}

// TestFiltersOfRuns: runs of several pipelines, by id and slug, of several states and several
// triggers, newest first through the pages.
func TestFiltersOfRuns(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.scheduler(&neighbours{})
	one, other, third := b.pipeline(needing("a")), b.pipeline(needing("a")), b.pipeline(needing("a"))
	_, err := rpc.Call(t.Context(), b.nc, schemas.UpdatePipeline, schemas.UpdatePipelineRequest{
		ID: hodei.RefTo(other), Slug: schemas.Patch[string]{Set: true, Value: new("other")},
	})
	require.NoError(t, err)
	var all []string // newest first
	for _, p := range []hodei.PipelineID{one, other, one, third, other} {
		all = append([]string{b.execute(p).ID.String()}, all...)
	}
	b.finish(b.shownRun(mustRun(t, all[0])).ID, "a", completed)
	b.waitRun(mustRun(t, all[0]), hodei.RunCompleted)
	list := func(filter string) (found []string) {
		t.Helper()
		for cursor := ""; ; {
			msg, err := b.nc.Request(schemas.ListRuns.Subject, []byte(fmt.Sprintf(`{"limit":2%s%s}`, cursor, filter)), 30*time.Second)
			require.NoError(t, err)
			page := decode[schemas.List[hodei.Run]](t, msg.Data)
			for _, r := range page.Items {
				found = append(found, r.ID.String())
			}
			if page.NextCursor == nil {
				return found
			}
			cursor = fmt.Sprintf(`,"cursor":%q`, *page.NextCursor)
		}
	}
	require.Equal(t, all, list(``))
	require.Equal(t, []string{all[0], all[2], all[3], all[4]}, list(`,"pipeline_id":"`+one.String()+`,other"`))
	require.Equal(t, []string{all[0], all[3]}, list(`,"pipeline_id":"other,other"`))
	require.Equal(t, all, list(`,"status":"completed,Running"`))
	require.Equal(t, all[:1], list(`,"status":"COMPLETED","trigger":"manual,api"`))
	require.Empty(t, list(`,"trigger":"manual,rerun"`))
	for field, filter := range map[string]string{"pipeline_id": "other,nothing", "status": "running,DONE", "trigger": "api,cron"} {
		msg, err := b.nc.Request(schemas.ListRuns.Subject, []byte(fmt.Sprintf(`{%q:%q}`, field, filter)), 30*time.Second)
		require.NoError(t, err)
		require.Equal(t, field, decode[hodei.Error](t, msg.Data).Details.Field)
	}
}

func mustRun(t *testing.T, text string) hodei.RunID {
	id, isID := hodei.RunRef(text).ID()
	require.True(t, isID)
	return id
}
