package session

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/client"
	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
	"github.com/hodei-jobs/hodei/schemas"
)

func jobID(t *testing.T, text string) (id hodei.JobID) {
	t.Helper()
	require.NoError(t, id.UnmarshalText([]byte(text)))
	return id
}

func TestResolve(t *testing.T) {
	name := func(s string) *string { return &s }
	jobs := []hodei.Job{ // newest first, as the API lists
		{ID: jobID(t, "01a20adc-0000-7000-8000-0000000000f1"), Name: name("build")},
		{ID: jobID(t, "01a20adc-0000-7000-8000-0000000000e1"), Name: name("01")},
		{ID: jobID(t, "01a20adc-0000-7000-8000-0000000000d1"), Name: name("twice")},
		{ID: jobID(t, "01a20adc-0000-7000-8000-0000000000c1"), Name: name("twice")},
		{ID: jobID(t, "01a20adc-0000-7000-8000-0000000000b1")},
		{ID: jobID(t, "01a20adc-0000-7000-8000-0000000000a1"), Name: name("job")},
	}
	elsewhere := jobID(t, "02b20adc-0000-7000-8000-000000000001")
	jobs = append(jobs, hodei.Job{ID: elsewhere}, hodei.Job{ID: jobID(t, "00a20adc-0000-7000-8000-0000000002b2")})
	// pages has two jobs a page, so that most are not on the first.
	pages := func(page schemas.Page) (l schemas.List[hodei.Job], err error) {
		from := 0
		if page.Cursor != "" {
			_, err = fmt.Sscan(page.Cursor, &from)
			require.NoError(t, err)
		}
		l.Items = jobs[from:min(from+2, len(jobs))]
		if from+2 < len(jobs) {
			cursor := fmt.Sprint(from + 2)
			l.NextCursor = &cursor
		}
		return l, nil
	}
	read := func(j hodei.Job) (hodei.JobID, *string) { return j.ID, j.Name }

	for text, want := range map[string]hodei.JobID{
		"build":                      jobs[0].ID,
		"01":                         jobs[1].ID, // a name, although every other id has this prefix
		"job":                        jobs[5].ID, // a name, although every id has this prefix
		"02":                         elsewhere,
		"job_02b2":                   elsewhere,
		"JOB_02B2":                   elsewhere,
		"00f1":                       jobs[0].ID, // the end, as the console shows it
		"000000E1":                   jobs[1].ID,
		"7000-8000-0000000000b1":     jobs[4].ID,
		"02b2":                       elsewhere, // a beginning, although the last id ends so
		jobs[4].ID.String()[:39]:     jobs[4].ID,
		jobs[4].ID.String()[4:][:35]: jobs[4].ID,
	} {
		got, err := resolve(text, pages, read)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}

	t.Run("an id is taken as it is", func(t *testing.T) {
		never := func(schemas.Page) (l schemas.List[hodei.Job], err error) {
			t.Error("the list was asked for")
			return
		}
		unknown := jobID(t, "01a20adc-ffff-7fff-8fff-ffffffffffff")
		for _, text := range []string{unknown.String(), unknown.String()[4:]} {
			got, err := resolve(text, never, read)
			require.NoError(t, err)
			require.Equal(t, unknown, got)
		}
	})
	t.Run("several", func(t *testing.T) {
		_, err := resolve("twice", pages, read)
		require.Equal(t, 2, cmdline.ExitCode(err))
		require.EqualError(t, err, fmt.Sprintf(`"twice" is ambiguous: %s (twice), %s (twice)`, jobs[2].ID, jobs[3].ID))
		_, err = resolve("01a2", pages, read)
		require.Equal(t, 2, cmdline.ExitCode(err))
		require.ErrorContains(t, err, jobs[0].ID.String()+" (build), ")
		require.ErrorContains(t, err, jobs[4].ID.String()+", 1 more")
		require.NotContains(t, err.Error(), jobs[5].ID.String())
	})
	t.Run("none", func(t *testing.T) {
		for _, text := range []string{"buil", "job_", "", "03", "0f1", "pipe_01a20adc", "Build", "job_000000f1"} {
			_, err := resolve(text, pages, read)
			require.Equal(t, 3, cmdline.ExitCode(err), text)
		}
	})
	t.Run("no list", func(t *testing.T) {
		failed := errors.New("no list")
		_, err := resolve("build", func(schemas.Page) (l schemas.List[hodei.Job], err error) { return l, failed }, read)
		require.ErrorIs(t, err, failed)
	})
}

// The search for the beginning of an execution's id ends where ids are older.
func TestResolveStopsWhereIdsAreOlder(t *testing.T) {
	asked := 0
	pages := func(page schemas.Page) (l schemas.List[hodei.Execution], err error) {
		asked++
		id := fmt.Sprintf("01a20ad%d-0000-7000-8000-000000000001", 9-asked)
		l.Items = make([]hodei.Execution, 1)
		require.NoError(t, l.Items[0].ID.UnmarshalText([]byte(id)))
		l.NextCursor = &id
		return l, nil
	}
	read := func(e hodei.Execution) (hodei.ExecutionID, *string) { return e.ID, nil }
	id, err := resolve("exec_01a20ad7", pages, read)
	require.NoError(t, err)
	require.Equal(t, "exec_01a20ad7-0000-7000-8000-000000000001", id.String())
	require.Equal(t, 3, asked, "01a20ad8, 01a20ad7, and 01a20ad6, which is older")
	_, err = resolve("exec_02", pages, read)
	require.Equal(t, 3, cmdline.ExitCode(err))
	require.Equal(t, 4, asked)
}

// executionPages lists executions, a thousand a page, the first with the id 01a20adc-0000-7000-8000-… whose end is the
// greatest. It counts the pages.
func executionPages(t *testing.T, total int, asked *int) func(schemas.Page) (schemas.List[hodei.Execution], error) {
	return func(page schemas.Page) (l schemas.List[hodei.Execution], err error) {
		*asked++
		from := 0
		if page.Cursor != "" {
			_, err = fmt.Sscan(page.Cursor, &from)
			require.NoError(t, err)
		}
		for i := from; i < min(from+1000, total); i++ {
			var e hodei.Execution
			require.NoError(t, e.ID.UnmarshalText(fmt.Appendf(nil, "01a20adc-0000-7000-8000-%04x%08x", 0xffff-i, i)))
			l.Items = append(l.Items, e)
		}
		if from+1000 < total {
			l.NextCursor = new(fmt.Sprint(from + 1000))
		}
		return l, err
	}
}

// The end of an execution's id is searched among the newest executions alone.
func TestResolveEndsOfExecutions(t *testing.T) {
	read := func(e hodei.Execution) (hodei.ExecutionID, *string) { return e.ID, nil }
	for _, c := range []struct {
		text  string
		total int
		end   int // of the id that is found
		pages int
		err   string
	}{
		{text: "ffff00000000", total: 12000, pages: 1},
		{text: "e8f800001707", total: 12000, end: 5895, pages: 6},
		{text: "f8ab", total: 1000, pages: 1, err: `execution "f8ab" not found`},
		{text: "dead", total: 12000, pages: 10, err: `execution "dead" not found among the newest 10,000; give the whole id or its beginning`},
		{text: "deadbeef", total: 12000, pages: 10, err: `execution "deadbeef" not found among the newest 10,000; give the whole id or its beginning`},
		{text: "exec_dead", total: 12000, pages: 1, err: `execution "exec_dead" not found`},
	} {
		asked := 0
		id, err := resolve(c.text, executionPages(t, c.total, &asked), read)
		require.Equal(t, c.pages, asked, c.text)
		if c.err != "" {
			require.EqualError(t, err, c.err)
			require.Equal(t, 3, cmdline.ExitCode(err))
			continue
		}
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf("exec_01a20adc-0000-7000-8000-%04x%08x", 0xffff-c.end, c.end), id.String())
	}
}

// TestJobsHaveKeys: a job of a hodei.yaml has no name but a key, which a job's name goes before.
func TestJobsHaveKeys(t *testing.T) {
	shop, other := hodei.PipelineID{1}, hodei.PipelineID{2}
	build, test := hodei.Job{ID: hodei.JobID{1}, PipelineID: shop}, hodei.Job{ID: hodei.JobID{2}, PipelineID: shop}
	same, named := hodei.Job{ID: hodei.JobID{3}, PipelineID: other}, hodei.Job{ID: hodei.JobID{4}, PipelineID: other, Name: new("test")}
	build.Key, test.Key, same.Key = "build", "test", "build"
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var answer any = schemas.List[hodei.Job]{Items: []hodei.Job{build, test, same, named}}
		switch {
		case r.URL.Path == "/api/v1/pipelines/shop":
			answer = hodei.Pipeline{ID: shop}
		case r.URL.Path != "/api/v1/jobs":
			w.WriteHeader(http.StatusNotFound)
			answer = hodei.Errorf(hodei.NotFound, "Pipeline not found")
		case r.URL.Query().Get("pipeline_id") == shop.String():
			answer = schemas.List[hodei.Job]{Items: []hodei.Job{build, test}}
		}
		require.NoError(t, json.NewEncoder(w).Encode(answer))
	}))
	t.Cleanup(srv.Close)
	s, _, _ := printing()
	s.Client = client.HTTP(srv.URL)
	for text, want := range map[string]hodei.JobID{"shop/build": build.ID, "shop/test": test.ID, "test": named.ID} {
		id, err := s.Job(t.Context(), text)
		require.NoError(t, err, text)
		require.Equal(t, want, id, text)
	}
	_, err := s.Job(t.Context(), "build")
	require.Equal(t, 2, cmdline.ExitCode(err), "two pipelines have it")
	_, err = s.NamedJob(t.Context(), "build")
	require.Equal(t, 3, cmdline.ExitCode(err))
}

// TestHooksHaveKinds: shop/github is one of the two hooks of shop.
func TestHooksHaveKinds(t *testing.T) {
	github, generic := hodei.Hook{ID: hodei.HookID{1}, Pipeline: new("shop")}, hodei.Hook{ID: hodei.HookID{2}, Pipeline: new("shop")}
	github.Kind, generic.Kind = hodei.HookGitHub, hodei.HookGeneric
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		require.NoError(t, json.NewEncoder(w).Encode(schemas.List[hodei.Hook]{Items: []hodei.Hook{github, generic}}))
	}))
	t.Cleanup(srv.Close)
	s, _, _ := printing()
	s.Client = client.HTTP(srv.URL)
	id, err := s.HookID(t.Context(), "shop/github")
	require.NoError(t, err)
	require.Equal(t, github.ID, id)
	_, err = s.HookID(t.Context(), "shop")
	require.ErrorContains(t, err, "shop/generic")
}
