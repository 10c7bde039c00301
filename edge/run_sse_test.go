package edge_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/edge"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
)

// runLogs opens the logs of the run and returns a function that reads the next frame: its
// fields by name, or the comment.
func (w *world) runLogs(t *testing.T, addr, query string, headers ...string) (next func() map[string]string, resp *http.Response) {
	t.Helper()
	resp = do(t, "GET", "http://"+addr+"/runs/"+w.run.String()+"/logs/stream"+query, "", headers...)
	require.Equal(t, 200, resp.StatusCode)
	r := bufio.NewReader(resp.Body)
	return func() map[string]string {
		t.Helper()
		fields := map[string]string{}
		for {
			line, err := r.ReadString('\n')
			require.NoError(t, err)
			if line == "\n" {
				return fields
			}
			name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
			fields[name] = value
		}
	}, resp
}

// endRun ends the run and its execution.
func (w *world) endRun(t *testing.T) {
	t.Helper()
	w.end(t)
	run := w.oneRun()
	require.NoError(t, rpc.PublishRunEvent(t.Context(), w.nc, schemas.RunEvent{Type: schemas.EventRunCompleted, Run: run}))
}

// requireLine fails unless the frame is the line n of the job.
func requireLine(t *testing.T, frame map[string]string, n int64) {
	t.Helper()
	var got schemas.RunLine
	require.NoError(t, json.Unmarshal([]byte(frame["data"]), &got), "%v", frame)
	require.Equal(t, "build", got.Job)
	require.Equal(t, n, got.Sequence)
	require.Equal(t, fmt.Sprintf(`{"job":"build",%s`, encoded(n)[1:]), frame["data"], "the fields of an execution's line and its job")
	require.NotEmpty(t, frame["id"])
}

// TestRunStreamsShareTheFeed: the readers of a run, and those of its execution, share one feed,
// one state of the run and one source of events.
func TestRunStreamsShareTheFeed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write(t, 1, 2)
	before := w.nc.NumSubscriptions()
	one, _ := w.stream(t, w.edge.Addrs()[0], "?follow=true")
	one(frames(1, 2))
	var nexts []func() map[string]string
	for range 20 {
		next, _ := w.runLogs(t, w.edge.Addrs()[0], "?follow=true")
		require.Equal(t, "job", next()["event"])
		requireLine(t, next(), 1)
		requireLine(t, next(), 2)
		nexts = append(nexts, next)
	}
	js, err := jetstream.New(w.nc)
	require.NoError(t, err)
	stream, err := js.Stream(t.Context(), schemas.LogStream)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		info, err := stream.Info(t.Context())
		return err == nil && info.State.Consumers == 0
	}, time.Minute, time.Millisecond)
	require.Less(t, w.nc.NumSubscriptions()-before, 8, "of the feed, of the events and of the workers' states")
	w.write(t, 3, 3)
	w.endRun(t)
	for _, next := range nexts {
		requireLine(t, next(), 3)
		var job hodei.RunJob
		frame := next()
		require.Equal(t, "job", frame["event"])
		require.NoError(t, json.Unmarshal([]byte(frame["data"]), &job))
		require.Equal(t, hodei.JobCompleted, job.Status)
		frame = next()
		require.Equal(t, "done", frame["event"])
		require.Equal(t, fmt.Sprintf(`{"run_id":%q,"status":"COMPLETED","reason":null}`, w.run), frame["data"])
	}
}

// keptAlive reports whether the frame is the comment of a silent stream.
func keptAlive(frame map[string]string) bool { return len(frame) == 1 && frame[""] == "keep-alive" }

// TestRunStreamsStayAlive: a silent stream has keep-alives, and a tail of nothing a position,
// after which a client that is cut off misses no line.
func TestRunStreamsStayAlive(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write(t, 1, 7)
	e, _ := serve(t, w.nc, edge.Config{KeepAlive: 30 * time.Millisecond})
	next, resp := w.runLogs(t, e.Addrs()[0], "?follow=true&tail=0")
	require.Equal(t, "job", next()["event"])
	at := next()
	for keptAlive(at) {
		at = next()
	}
	require.NotEmpty(t, at["id"])
	require.NotContains(t, at, "data")
	for range 3 {
		require.True(t, keptAlive(next()))
	}
	require.NoError(t, resp.Body.Close())
	w.write(t, 8, 9)
	next, _ = w.runLogs(t, e.Addrs()[0], "?follow=true&tail=0", "Last-Event-ID: "+at["id"])
	line := next()
	for line["data"] == "" || line["event"] != "" {
		line = next()
	}
	requireLine(t, line, 8)
}

// TestARunStreamThatIsNotRead: a client that does not read takes no room from another.
func TestARunStreamThatIsNotRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e, stop := serve(t, w.nc, edge.Config{Grace: 100 * time.Millisecond})
	for range 40 { // more than there are rooms
		_, _ = w.runLogs(t, e.Addrs()[0], "?follow=true")
	}
	next, _ := w.runLogs(t, e.Addrs()[0], "?follow=true")
	require.Equal(t, "job", next()["event"])
	for n := int64(1); n < 20000; n += 400 {
		w.write(t, n, n+399)
		for i := n; i < n+400; i++ {
			frame := next()
			for frame["data"] == "" {
				frame = next()
			}
			require.Contains(t, frame["data"], fmt.Sprintf(`"sequence":%d}`, i))
		}
	}
	stop()
}

// TestARunStreamEndsWithTheEdge: the edge stops while streams are open, and they end without done.
func TestARunStreamEndsWithTheEdge(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e, stop := serve(t, w.nc, edge.Config{})
	_, resp := w.runLogs(t, e.Addrs()[0], "?follow=true")
	stop()
	rest, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NotContains(t, string(rest), "done")
	resp = do(t, "GET", w.url("/runs/"+newID[hodei.RunID]().String()+"/logs/stream?follow=true"), "")
	require.Equal(t, 404, resp.StatusCode)
}
