package edge_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/client"
	"github.com/hodei-jobs/hodei/schemas"
)

// both runs the test over each transport.
func both(t *testing.T, test func(*testing.T, *world, *client.Client)) {
	t.Run("nats", func(t *testing.T) {
		w := newWorld(t)
		test(t, w, client.NATS(w.nc))
	})
	t.Run("http", func(t *testing.T) {
		w := newWorld(t)
		test(t, w, client.HTTP(w.url("/"), client.WithHTTPClient(browser(t))))
	})
}

func TestClientCalls(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, w *world, c *client.Client) {
		ctx := t.Context()
		p, err := c.CreatePipeline(ctx, schemas.CreatePipelineRequest{Name: "demo"})
		require.NoError(t, err)
		require.Equal(t, hodei.Pipeline{ID: w.pipeline, Name: "demo"}, p)
		list, err := c.ListPipelines(ctx, schemas.ListPipelinesRequest{Page: schemas.Page{Limit: 3}})
		require.NoError(t, err)
		require.Len(t, list.Items, 3)
		run, err := c.ExecuteJob(ctx, schemas.ExecuteJobRequest{ID: w.job, Environment: map[string]string{"A": "b"}})
		require.NoError(t, err)
		require.Equal(t, w.job, run.JobID)
		require.Equal(t, map[string]string{"A": "b"}, run.Environment)
		decision, err := c.Schedule(ctx, schemas.ScheduleRequest{ExecutionID: new(hodei.RefTo(w.exec)), DryRun: true})
		require.NoError(t, err)
		require.True(t, decision.DryRun)
		require.Equal(t, w.exec, *decision.ExecutionID)
		body, status, err := c.Raw(ctx, schemas.ExecuteJob.Op, json.RawMessage(`{"id":"`+w.job.String()+`"}`))
		require.NoError(t, err)
		require.Equal(t, 202, status)
		require.Contains(t, string(body), `"queue_position":null`)
	})
}

func TestClientErrors(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, w *world, c *client.Client) {
		var failure *hodei.Error
		unknown := newID[hodei.PipelineID]()
		_, err := c.GetPipeline(t.Context(), schemas.GetPipelineRequest{ID: hodei.RefTo(unknown)})
		require.ErrorAs(t, err, &failure)
		require.ErrorIs(t, err, hodei.NotFound)
		require.Equal(t, unknown.String(), failure.ResourceID)
		require.Regexp(t, "^req_", failure.RequestID)
		_, err = c.CreatePipeline(t.Context(), schemas.CreatePipelineRequest{})
		require.ErrorIs(t, err, hodei.Invalid)
		require.ErrorAs(t, err, &failure)
		require.Equal(t, "name", failure.Details.Field)
		_, err = c.ExecuteJob(t.Context(), schemas.ExecuteJobRequest{ID: w.job, Waiting: schemas.Waiting{IfNoWorker: schemas.Reject}})
		require.ErrorIs(t, err, hodei.Rejected)
		_, err = c.Follow(t.Context(), schemas.FollowLogsRequest{ID: hodei.RefTo(newID[hodei.ExecutionID]())}, nil)
		require.ErrorIs(t, err, hodei.NotFound)
		_, err = c.Follow(t.Context(), schemas.FollowLogsRequest{ID: hodei.RefTo(w.exec), LogOptions: schemas.LogOptions{Since: "x"}}, nil)
		require.ErrorIs(t, err, hodei.Invalid)
		_, _, err = c.Raw(t.Context(), schemas.FollowLogs.Op, schemas.FollowLogsRequest{ID: hodei.RefTo(w.exec)})
		require.ErrorIs(t, err, hodei.Invalid)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		_, err = c.CreatePipeline(ctx, schemas.CreatePipelineRequest{Name: "slow"})
		require.ErrorIs(t, err, hodei.Timeout)
		close(w.leave)
		_, err = c.Wait(ctx, w.exec)
		require.ErrorIs(t, err, hodei.Timeout)
	})
}

func TestClientUnreachable(t *testing.T) {
	t.Parallel()
	_, err := client.HTTP("http://127.0.0.1:1").GetQueue(t.Context(), schemas.GetQueueRequest{})
	require.ErrorIs(t, err, hodei.Unavailable)
	_, err = client.HTTP("http://127.0.0.1:1").Wait(t.Context(), newID[hodei.ExecutionID]())
	require.ErrorIs(t, err, hodei.Unavailable)
}

func TestClientFollows(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, w *world, c *client.Client) {
		w.write(t, 1, 20)
		tail := schemas.Tail(10)
		var got []hodei.LogLine
		end, err := c.Follow(t.Context(), schemas.FollowLogsRequest{
			ID: hodei.RefTo(w.exec), Follow: true, LogOptions: schemas.LogOptions{Tail: &tail, Stream: "stdout"},
		}, func(l hodei.LogLine) error {
			got = append(got, l)
			if l.Sequence == 19 { // the stream is live
				w.write(t, 21, 22)
				w.end(t)
			}
			return nil
		})
		require.NoError(t, err)
		require.Equal(t, schemas.LogEnd{ExecutionID: w.exec, Status: hodei.Completed, LogCount: 22}, end)
		require.Equal(t, []hodei.LogLine{line(11), line(13), line(15), line(17), line(19), line(21)}, got)

		enough := errors.New("enough")
		_, err = c.Follow(t.Context(), schemas.FollowLogsRequest{ID: hodei.RefTo(w.exec)}, func(hodei.LogLine) error { return enough })
		require.ErrorIs(t, err, enough)
		no := false
		for l, err := range c.Logs(t.Context(), schemas.FollowLogsRequest{ID: hodei.RefTo(w.exec), LogOptions: schemas.LogOptions{Timestamps: &no}}) {
			require.NoError(t, err)
			require.Equal(t, hodei.LogLine{Stream: hodei.Stdout, Line: "<line 1>", Sequence: 1}, l)
			break
		}
		for _, err := range c.Logs(t.Context(), schemas.FollowLogsRequest{ID: hodei.RefTo(newID[hodei.ExecutionID]())}) {
			require.ErrorIs(t, err, hodei.NotFound)
		}
	})
}

func TestClientWaits(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, w *world, c *client.Client) {
		w.write(t, 1, 2)
		type result struct {
			e   hodei.Execution
			err error
		}
		done := make(chan result, 1)
		go func() {
			e, err := c.Wait(t.Context(), w.exec)
			done <- result{e, err}
		}()
		w.end(t)
		got := <-done
		require.NoError(t, got.err)
		require.Equal(t, hodei.Completed, got.e.Status)
		e, err := c.Wait(t.Context(), w.exec) // returns at once after the end
		require.NoError(t, err)
		require.Equal(t, w.exec, e.ID)
	})
}

// However many bytes a connection delivers before it breaks, the client
// receives each line once.
func TestClientResumesOverHTTP(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write(t, 1, 30)
	target, err := url.Parse(w.url(""))
	require.NoError(t, err)
	var conns atomic.Int64
	proxy := &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target) },
		FlushInterval: -1,
		ModifyResponse: func(r *http.Response) error {
			if n := conns.Add(1); n <= 4 {
				r.Body = struct {
					io.Reader
					io.Closer
				}{io.LimitReader(r.Body, 300*n), r.Body}
			}
			return nil
		},
		Transport: browser(t).Transport,
	}
	srv := &http.Server{Handler: proxy}
	addr := listen(t, srv)
	tail := schemas.Tail(25)
	var got strings.Builder
	end, err := client.HTTP("http://"+addr, client.WithHTTPClient(browser(t))).Follow(t.Context(),
		schemas.FollowLogsRequest{ID: hodei.RefTo(w.exec), Follow: true, LogOptions: schemas.LogOptions{Tail: &tail}},
		func(l hodei.LogLine) error {
			fmt.Fprintln(&got, l.Sequence)
			if l.Sequence == 30 {
				w.write(t, 31, 32)
				w.end(t)
			}
			return nil
		})
	require.NoError(t, err)
	require.Equal(t, int64(32), end.LogCount)
	var want strings.Builder
	for n := 6; n <= 32; n++ {
		fmt.Fprintln(&want, n)
	}
	require.Equal(t, want.String(), got.String())
	require.Equal(t, int64(5), conns.Load())
}
