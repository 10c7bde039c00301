package system_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/client"
	"github.com/hodei-jobs/hodei/internal/local/localtest"
	"github.com/hodei-jobs/hodei/internal/system"
	"github.com/hodei-jobs/hodei/schemas"
)

// runs is a whole system for pipelines: its address, and a client over each transport.
type runs struct {
	t     *testing.T
	url   string
	nc    *nats.Conn
	faces []*client.Client
}

func newRuns(t *testing.T, workers int, change ...func(*system.Config)) *runs {
	t.Helper()
	srv := secured(t, workers)
	cfg := config(t, srv, workers)
	for _, c := range change {
		c(&cfg)
	}
	addrs, stop := run(t, cfg)
	nc := localtest.Connect(t, srv.NATS)
	t.Cleanup(func() {
		nc.Close()
		http.DefaultClient.CloseIdleConnections()
		require.NoError(t, stop())
	})
	return &runs{t: t, url: "http://" + addrs[0], nc: nc, faces: []*client.Client{client.NATS(nc), client.HTTP("http://" + addrs[0])}}
}

// apply applies a definition.
func (r *runs) apply(slug, document string) {
	r.t.Helper()
	_, err := r.faces[0].ApplyPipeline(r.t.Context(), schemas.ApplyPipelineRequest{Slug: slug, Document: document})
	require.NoError(r.t, err)
}

func (r *runs) execute(slug hodei.PipelineRef) hodei.Run {
	r.t.Helper()
	started, err := r.faces[0].ExecutePipeline(r.t.Context(), schemas.ExecutePipelineRequest{ID: slug})
	require.NoError(r.t, err)
	return started
}

// ended waits until the run has ended.
func (r *runs) ended(ref hodei.RunRef) (found hodei.Run) {
	r.t.Helper()
	require.Eventually(r.t, func() bool {
		var err error
		found, err = r.faces[0].GetRun(r.t.Context(), schemas.GetRunRequest{ID: ref})
		require.NoError(r.t, err)
		return found.Status.Ended()
	}, time.Minute, 10*time.Millisecond)
	return found
}

// ask sends a request by curl's means, and returns the status and the body.
func (r *runs) ask(method, path string) (int, string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, r.url+path, nil)
	require.NoError(r.t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(r.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(r.t, err)
	return resp.StatusCode, string(body)
}

// TestRunsAndTheirExecutionsHaveNames: release#1 is accepted wherever the id of a run is,
// and release#1/test wherever that of an execution is, over every face.
func TestRunsAndTheirExecutionsHaveNames(t *testing.T) {
	t.Parallel()
	r := newRuns(t, 1)
	r.apply("release", `
slug: release
jobs:
  test:
    matrix: { values: { os: [linux, darwin] } }
    command: echo on $MATRIX_OS
  gate: { needs: [test], approval: { message: go? }, command: "true" }
  never: { needs: [gate], when: failure, command: "true" }
`)
	started := r.execute("release")
	for _, c := range r.faces {
		got, err := c.GetRun(t.Context(), schemas.GetRunRequest{ID: "release#1"})
		require.NoError(t, err)
		require.Equal(t, started.ID, got.ID)
		got, err = c.GetRun(t.Context(), schemas.GetRunRequest{ID: hodei.RunRef(started.PipelineID.String() + "#1")})
		require.NoError(t, err)
		require.Equal(t, started.ID, got.ID)
		e, err := c.GetExecution(t.Context(), schemas.GetExecutionRequest{ID: "release#1/test[os=linux]"})
		require.NoError(t, err)
		require.Equal(t, "test[os=linux]", *e.JobKey)
		e, err = c.Wait(t.Context(), e.ID)
		require.NoError(t, err)
		var text []string
		for line, err := range c.Logs(t.Context(), schemas.FollowLogsRequest{ID: "release#1/test[os=linux]", Follow: true}) {
			require.NoError(t, err)
			text = append(text, line.Line)
		}
		require.Equal(t, []string{"on linux"}, text)
		page, err := c.GetLogs(t.Context(), schemas.GetLogsRequest{ID: "release#1/test[os=darwin]"})
		require.NoError(t, err)
		require.LessOrEqual(t, len(page.Items), 1)
		_, err = c.CancelExecution(t.Context(), schemas.CancelExecutionRequest{ID: "release#1/test[os=linux]"})
		require.ErrorIs(t, err, hodei.Conflict, "it has ended")
		list, err := c.ListExecutions(t.Context(), schemas.ListExecutionsRequest{RunID: schemas.Any[hodei.RunRef]("release#1")})
		require.NoError(t, err)
		require.Len(t, list.Items, 2)

		var unknown *hodei.Error
		_, err = c.ListExecutions(t.Context(), schemas.ListExecutionsRequest{RunID: schemas.Any[hodei.RunRef]("release#9")})
		require.ErrorAs(t, err, &unknown)
		require.Equal(t, "run_id", unknown.Details.Field)
		_, err = c.FollowEvents(t.Context(), schemas.FollowEventsRequest{RunID: new(hodei.RunRef("release#9"))}, func(schemas.FeedEvent) error { return nil })
		require.ErrorAs(t, err, &unknown)
		require.Equal(t, "run_id", unknown.Details.Field)
		_, err = c.Schedule(t.Context(), schemas.ScheduleRequest{ExecutionID: new(hodei.ExecutionRef("release#1/test[os=linux]")), DryRun: true})
		require.NoError(t, err)
	}
	for _, path := range []string{
		"/runs/release%231", "/runs/" + started.ID.String(), "/executions/release%231%2Ftest%5Bos=linux%5D",
		"/executions/release%231%2Ftest%5Bos%3Dlinux%5D/logs/stream", "/executions?run_id=release%231", "/events?run_id=release%231",
		"/executions?retry_of=release%231%2Ftest%5Bos=linux%5D",
	} {
		status, body := r.ask("GET", path)
		require.Equal(t, 200, status, "%s: %s", path, body)
	}
	for path, text := range map[string]string{
		"/runs/release%232": "Run not found", "/runs/release%23x": "Run not found", "/runs/nothing%231": "Run not found",
		"/executions/release%231%2Fnothing": "no job with that key", "/executions/release%231%2Ftest": "keys such as test[os=linux]",
		"/executions/release%231%2Fgate":             "never executed",
		"/executions/release%231%2Fgate/logs/stream": "never executed", "/executions/release": "Execution not found",
	} {
		status, body := r.ask("GET", path)
		require.Equal(t, 404, status, "%s: %s", path, body)
		require.Contains(t, body, text, path)
		name, err := url.PathUnescape(strings.Split(path, "/")[2])
		require.NoError(t, err)
		require.Contains(t, body, name)
	}
	require.Eventually(t, func() bool {
		status, _ := r.ask("POST", "/runs/release%231/jobs/gate/approve")
		return status == 200
	}, time.Minute, 10*time.Millisecond)
	require.Equal(t, hodei.RunCompleted, r.ended("release#1").Status)
	status, body := r.ask("POST", "/runs/release%231/rerun")
	require.Equal(t, 201, status, body)
	var again hodei.Run
	require.NoError(t, json.Unmarshal([]byte(body), &again))
	require.Equal(t, 2, again.Number)
	r.ended("release#2")
	e, err := r.faces[1].GetExecution(t.Context(), schemas.GetExecutionRequest{ID: "release#2/test[os=linux]"})
	require.NoError(t, err)
	require.Equal(t, started.ID, *e.RunID, "the result that the rerun took")
	status, body = r.ask("POST", "/runs/release%232/cancel")
	require.Equal(t, 409, status, body)
}
