package system_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/client"
	"github.com/hodei-jobs/hodei/internal/local/localtest"
	"github.com/hodei-jobs/hodei/schemas"
	"github.com/hodei-jobs/hodei/services/workermanager"
)

// refusedFor fails unless the error is a 400 that names the field.
func refusedFor(t *testing.T, field string, err error) {
	t.Helper()
	require.ErrorIs(t, err, hodei.Invalid, "%s", field)
	require.NotNil(t, hodei.AsError(err).Details, "%v", err)
	require.Equal(t, field, hodei.AsError(err).Details.Field)
}

// TestLimitsOfCommandsEnvironmentsAndLabels sends a command, an environment and labels just within
// their limits, and one byte over them, to every operation that accepts them.
func TestLimitsOfCommandsEnvironmentsAndLabels(t *testing.T) {
	srv := secured(t, 0)
	addrs, stop := run(t, config(t, srv, 0))
	nc := localtest.Connect(t, srv.NATS)
	ctx := t.Context()
	command := func(size int) *hodei.Command { return &hodei.Command{Shell: strings.Repeat("x", size)} }
	environment := func(size int) map[string]string { return map[string]string{"NAME": strings.Repeat("x", size-4)} }
	labels := func(size int) *hodei.Requirements {
		return &hodei.Requirements{Labels: map[string]string{"zone": strings.Repeat("x", size-4)}}
	}
	words := &hodei.Command{Args: []string{strings.Repeat("x", hodei.MaxCommand), "y"}}
	for _, c := range []*client.Client{client.NATS(nc), client.HTTP("http://" + addrs[0])} {
		p, err := c.CreatePipeline(ctx, schemas.CreatePipelineRequest{Name: "limits"})
		require.NoError(t, err)
		most := schemas.RunRequest{
			Command: command(hodei.MaxCommand), Environment: environment(hodei.MaxEnvironment), Requirements: labels(hodei.MaxLabels),
		}
		job, err := c.CreateJob(ctx, schemas.CreateJobRequest{PipelineID: hodei.RefTo(p.ID), RunRequest: most})
		require.NoError(t, err)
		_, err = c.Execute(ctx, schemas.ExecuteRequest{RunRequest: most})
		require.NoError(t, err)
		for field, over := range map[string]schemas.RunRequest{
			"command":             {Command: command(hodei.MaxCommand + 1)},
			"environment":         {Command: command(1), Environment: environment(hodei.MaxEnvironment + 1)},
			"requirements.labels": {Command: command(1), Requirements: labels(hodei.MaxLabels + 1)},
		} {
			_, err = c.CreateJob(ctx, schemas.CreateJobRequest{PipelineID: hodei.RefTo(p.ID), RunRequest: over})
			refusedFor(t, field, err)
			_, err = c.Execute(ctx, schemas.ExecuteRequest{RunRequest: over})
			refusedFor(t, field, err)
		}
		_, err = c.Execute(ctx, schemas.ExecuteRequest{RunRequest: schemas.RunRequest{Command: words}})
		refusedFor(t, "command", err)

		update := schemas.UpdateJobRequest{ID: job.ID}
		update.Command = schemas.Patch[hodei.Command]{Set: true, Value: command(hodei.MaxCommand + 1)}
		_, err = c.UpdateJob(ctx, update)
		refusedFor(t, "command", err)
		env := environment(hodei.MaxEnvironment + 1)
		_, err = c.UpdateJob(ctx, schemas.UpdateJobRequest{ID: job.ID, Environment: schemas.Patch[map[string]string]{Set: true, Value: &env}})
		refusedFor(t, "environment", err)

		_, err = c.ExecuteJob(ctx, schemas.ExecuteJobRequest{ID: job.ID, Command: command(hodei.MaxCommand + 1)})
		refusedFor(t, "command", err)
		_, err = c.ExecuteJob(ctx, schemas.ExecuteJobRequest{ID: job.ID, Environment: map[string]string{"B": ""}})
		refusedFor(t, "environment", err) // the job's environment counts too
		_, err = c.RegisterWorker(ctx, schemas.RegisterWorkerRequest{Type: "x", Capacity: 1, Labels: labels(hodei.MaxLabels + 1).Labels})
		refusedFor(t, "labels", err)
	}
	nc.Close()
	require.NoError(t, stop())
}

// TestListsAndEventsAreBounded: five large environments once broke every list.
// It uses the largest allowed values.
func TestListsAndEventsAreBounded(t *testing.T) {
	t.Parallel()
	srv := secured(t, 0)
	cfg := config(t, srv, 0)
	cfg.Manager = &workermanager.Config{LostAfter: time.Hour} // the workers below exist as records only
	addrs, stop := run(t, cfg)
	nc := localtest.Connect(t, srv.NATS)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute) // the edge would give each request ten seconds
	defer cancel()
	c := client.NATS(nc)
	events := make(chan *nats.Msg, 1000)
	sub, err := nc.ChanSubscribe("execution.event.>", events)
	require.NoError(t, err)
	require.NoError(t, nc.Flush())
	p, err := c.CreatePipeline(ctx, schemas.CreatePipelineRequest{Name: "large"})
	require.NoError(t, err)
	large := schemas.RunRequest{
		Command:     &hodei.Command{Shell: strings.Repeat("\x01", hodei.MaxCommand)}, // six bytes each in JSON
		Environment: map[string]string{"SECRET": strings.Repeat("x", hodei.MaxEnvironment-6)},
	}
	const count, workers = 2, 280 // more than a page of each
	wide := map[string]string{"zone": strings.Repeat("x", hodei.MaxLabels-4)}
	for range workers {
		_, err = c.RegisterWorker(ctx, schemas.RegisterWorkerRequest{Type: "x", Capacity: 1, Labels: wide})
		require.NoError(t, err)
	}
	for range count {
		_, err := c.Execute(ctx, schemas.ExecuteRequest{RunRequest: large})
		require.NoError(t, err)
		_, err = c.CreateJob(ctx, schemas.CreateJobRequest{PipelineID: hodei.RefTo(p.ID), RunRequest: large})
		require.NoError(t, err)
	}
	for path, want := range map[string]int{"/executions": count, "/jobs": count, "/pipelines": 1, "/workers": workers, "/workers?status=AVAILABLE": workers} {
		for _, query := range []string{"", "limit=1000"} {
			require.Equal(t, want, pages(t, "http://"+addrs[0]+path, query), "%s %s", path, query)
		}
	}
	queue, _ := fetch(t, "http://"+addrs[0]+"/queue?limit=1000")
	require.Contains(t, queue, `"total":2`)
	for range count {
		select {
		case msg := <-events:
			require.NotContains(t, string(msg.Data), `"environment"`)
		case <-time.After(30 * time.Second):
			t.Fatal("an event is missing")
		}
	}
	require.NoError(t, sub.Unsubscribe())

	list, err := c.ListExecutions(ctx, schemas.ListExecutionsRequest{})
	require.NoError(t, err)
	one, err := c.GetExecution(ctx, schemas.GetExecutionRequest{ID: hodei.RefTo(list.Items[0].ID)})
	require.NoError(t, err)
	require.Equal(t, large.Environment, one.Environment, "it is there where one is asked for")
	nc.Close()
	require.NoError(t, stop())
}

// pages reads a list to its end and returns its number of records.
func pages(t *testing.T, url, query string) (count int) {
	t.Helper()
	separator := "?"
	if strings.Contains(url, "?") {
		separator = "&"
	}
	for cursor := ""; ; {
		body, size := fetch(t, url+separator+query+cursor)
		require.NotContains(t, body, `"environment"`)
		var list struct {
			Items      []json.RawMessage `json:"items"`
			NextCursor *string           `json:"next_cursor"`
		}
		require.NoError(t, json.Unmarshal([]byte(body), &list))
		require.NotEmpty(t, list.Items)
		require.True(t, size <= 1<<20 || len(list.Items) == 1, "%d records take %d bytes", len(list.Items), size)
		if count += len(list.Items); list.NextCursor == nil {
			return count
		}
		cursor = "&cursor=" + *list.NextCursor
	}
}

// fetch gets a page, again if the services are too busy to answer the edge in time.
func fetch(t *testing.T, url string) (body string, size int) {
	t.Helper()
	var b bytes.Buffer
	var status int
	require.Eventually(t, func() bool {
		resp, err := http.Get(url)
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		b.Reset()
		_, err = io.Copy(&b, resp.Body)
		status = resp.StatusCode
		return err == nil && status != http.StatusGatewayTimeout
	}, 5*time.Minute, time.Millisecond, url)
	require.Equal(t, 200, status, "%s: %.200s", url, b.String())
	return b.String(), b.Len()
}
