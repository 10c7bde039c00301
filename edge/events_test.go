package edge_test

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/edge"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/kv"
	"github.com/hodei-jobs/hodei/schemas"
)

// happens publishes an event of an execution of the world's pipeline.
func (w *world) happens(t *testing.T, status hodei.ExecutionStatus, id hodei.ExecutionID) {
	t.Helper()
	e := hodei.Execution{ID: id, PipelineID: &w.pipeline, JobID: &w.job, Status: status}
	body, err := hodei.JSON(schemas.Event{Type: schemas.EventStarted, Execution: e})
	require.NoError(t, err)
	_, err = w.nc.Request(schemas.EventSubject(schemas.EventStarted, id), body, time.Minute) // answered when the stream has it
	require.NoError(t, err)
}

// reports writes a worker's report.
func (w *world) reports(t *testing.T, id hodei.WorkerID, free int) {
	t.Helper()
	js, err := jetstream.New(w.nc)
	require.NoError(t, err)
	workers, err := kv.OpenWorkers(t.Context(), js)
	require.NoError(t, err)
	require.NoError(t, workers.Put(t.Context(), hodei.Availability{WorkerID: id, Type: "shell", Free: free, Slots: 9, Status: hodei.WorkerBusy}))
}

// shown is one frame of the stream of events.
type shown struct {
	id, kind string
	feed     schemas.FeedEvent
}

// events opens the stream and returns a function that reads its next frame
// except comments; the kind "" is the end.
func (w *world) events(t *testing.T, e *edge.Edge, query string, headers ...string) (next func() shown, resp *http.Response) {
	t.Helper()
	resp = do(t, "GET", "http://"+e.Addrs()[0]+"/api/v1/events"+query, "", headers...)
	require.Equal(t, 200, resp.StatusCode)
	require.Equal(t, "text/event-stream", resp.Header.Get("Content-Type"))
	scan := bufio.NewScanner(resp.Body)
	scan.Buffer(nil, 1<<20)
	return func() shown {
		t.Helper()
		var frame shown
		for scan.Scan() {
			name, value, _ := strings.Cut(scan.Text(), ": ")
			switch name {
			case "id":
				frame.id = value
			case "event":
				frame.kind = value
			case "data":
				switch frame.kind {
				case schemas.FeedExecution:
					require.NoError(t, json.Unmarshal([]byte(value), &frame.feed.Execution))
				case schemas.FeedWorker:
					require.NoError(t, json.Unmarshal([]byte(value), &frame.feed.Worker))
				case schemas.FeedResync:
					require.NoError(t, json.Unmarshal([]byte(value), &frame.feed.Resync))
				}
			case "":
				if frame != (shown{}) {
					return frame
				}
			}
		}
		return shown{}
	}, resp
}

func TestEventsAsTheyHappen(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	worker := newID[hodei.WorkerID]()
	w.reports(t, worker, 4)
	w.happens(t, hodei.Pending, w.exec) // before any client reads
	next, _ := w.events(t, w.edge, "?follow=true")
	require.Equal(t, shown{id: "1"}, next(), "the position of the stream comes first")
	state := next()
	require.Equal(t, schemas.FeedWorker, state.kind)
	require.Equal(t, 4, state.feed.Worker.Availability.Free)
	require.Empty(t, state.id, "a worker's state has no place among the events")
	w.happens(t, hodei.Running, w.exec)
	event := next()
	require.Equal(t, "2", event.id)
	require.Equal(t, hodei.Running, event.feed.Execution.Execution.Status)
	w.reports(t, worker, 3)
	require.Equal(t, 3, next().feed.Worker.Availability.Free)
	js, err := jetstream.New(w.nc)
	require.NoError(t, err)
	workers, err := kv.OpenWorkers(t.Context(), js)
	require.NoError(t, err)
	require.NoError(t, workers.Delete(t.Context(), worker))
	require.Nil(t, next().feed.Worker.Availability, "its lease has ended")
}

// Any NATS client can publish an event. Whatever its content, it is one frame.
func TestEventsCannotInjectFrames(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.happens(t, hodei.Running, w.exec)
	body := "{\n\n\"type\":\r\n\r\"" + schemas.EventStarted + "\"\n\n}\n"
	_, err := w.nc.Request(schemas.EventSubject(schemas.EventStarted, w.exec), []byte(body), time.Minute)
	require.NoError(t, err)
	w.happens(t, hodei.Running, w.exec)
	next, _ := w.events(t, w.edge, "") // the edge has read both
	require.Equal(t, shown{id: "3"}, next())
	got := text(t, do(t, "GET", w.url("/events?only=executions"), "", "Last-Event-ID: 1"))
	require.NotContains(t, got, "\r")
	require.Equal(t, "{  \"type\":   \""+schemas.EventStarted+"\"  } ", strings.Split(strings.SplitAfter(got, "data: ")[1], "\n\n")[0])
}

// Without follow, the stream has the existing state.
func TestEventsOfWhatThereIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 5 {
		w.happens(t, hodei.Running, w.exec)
	}
	w.reports(t, newID[hodei.WorkerID](), 1)
	w.reports(t, newID[hodei.WorkerID](), 2)
	next, _ := w.events(t, w.edge, "")
	require.Equal(t, shown{id: "5"}, next())
	require.Equal(t, schemas.FeedWorker, next().kind)
	require.Equal(t, schemas.FeedWorker, next().kind)
	require.Equal(t, "done", next().kind)
	require.Empty(t, next())
	next, _ = w.events(t, w.edge, "?only=executions", "Last-Event-ID: 3")
	require.Equal(t, "4", next().id)
	require.Equal(t, "5", next().id)
	require.Equal(t, shown{id: "5"}, next())
	require.Equal(t, "done", next().kind)
}

func TestEventsFiltered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := newID[hodei.ExecutionID]()
	w.reports(t, newID[hodei.WorkerID](), 1)
	for _, query := range []string{"execution_id=" + other.String(), "only=executions&execution_id=" + other.String()} {
		next, _ := w.events(t, w.edge, "?follow=true&"+query)
		next()
		w.happens(t, hodei.Running, w.exec)
		w.happens(t, hodei.Completed, other)
		require.Equal(t, other, next().feed.Execution.Execution.ID, query)
	}
	next, _ := w.events(t, w.edge, "?follow=true&pipeline_id="+slug)
	next()
	w.happens(t, hodei.Running, w.exec)
	require.Equal(t, w.exec, next().feed.Execution.Execution.ID, "the slug of a pipeline selects its executions")
	next, _ = w.events(t, w.edge, "?follow=true&only=workers")
	next()
	w.happens(t, hodei.Running, w.exec)
	require.Equal(t, schemas.FeedWorker, next().kind)
	w.reports(t, newID[hodei.WorkerID](), 7)
	frame := next()
	for frame.feed.Worker != nil && frame.feed.Worker.Availability.Free == 1 { // a state may be sent again
		frame = next()
	}
	require.Equal(t, 7, frame.feed.Worker.Availability.Free)
	for query, field := range map[string]string{
		"?only=nothing": "only", "?job_id=exec_1": "job_id", "?since=1": "since", "?follow=maybe": "follow", "?pipeline_id=no-such": "pipeline_id",
	} {
		resp := do(t, "GET", w.url("/events"+query), "")
		require.Equal(t, 400, resp.StatusCode)
		require.Contains(t, text(t, resp), `"field":"`+field+`"`)
	}
	require.Equal(t, 400, do(t, "GET", w.url("/events"), "", "Last-Event-ID: x").StatusCode)
}

// A reader that reconnects gets the missed events: from the memory of the same
// edge, or from the stream at another.
func TestEventsResume(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	next, resp := w.events(t, w.edge, "?follow=true")
	next()
	w.happens(t, hodei.Pending, w.exec)
	require.Equal(t, "1", next().id)
	require.NoError(t, resp.Body.Close())
	other, _ := w.events(t, w.edge, "?follow=true")
	for range 20 {
		w.happens(t, hodei.Running, w.exec)
	}
	for frame := other(); frame.id != "21"; frame = other() { // until the edge has received all
	}
	fresh, _ := serve(t, w.nc, edge.Config{})
	for _, e := range []*edge.Edge{w.edge, fresh} {
		next, _ := w.events(t, e, "?follow=true", "Last-Event-ID: 1")
		for n := 2; n <= 21; n++ {
			require.Equal(t, strconv.Itoa(n), next().id)
		}
		require.Equal(t, shown{id: "21"}, next())
	}
	w.happens(t, hodei.Completed, w.exec)
	next, _ = w.events(t, fresh, "?follow=true", "Last-Event-ID: 21")
	frame := next()
	if frame == (shown{id: "21"}) { // requested before the stream had it
		frame = next()
	}
	require.Equal(t, "22", frame.id)
}

// The place before the first event is a place as well.
func TestEventsResumeBeforeTheFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	next, _ := w.events(t, w.edge, "?only=executions")
	require.Equal(t, shown{id: "0"}, next())
	for range 3 {
		w.happens(t, hodei.Running, w.exec)
	}
	fresh, _ := serve(t, w.nc, edge.Config{})
	next, _ = w.events(t, fresh, "?only=executions", "Last-Event-ID: 0")
	for n := 1; n <= 3; n++ {
		require.Equal(t, strconv.Itoa(n), next().id)
	}
	require.Equal(t, shown{id: "3"}, next())
	require.Equal(t, "done", next().kind)
}

// A reader that lost events gets a resync.
func TestEventsLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.happens(t, hodei.Pending, w.exec)
	next, _ := w.events(t, w.edge, "?follow=true", "Last-Event-ID: 77")
	require.Equal(t, "the stream of events was recreated", next().feed.Resync.Reason)
	require.Equal(t, shown{id: "1"}, next())

	js, err := jetstream.New(w.nc)
	require.NoError(t, err)
	stream, err := js.Stream(t.Context(), schemas.EventStream)
	require.NoError(t, err)
	for range 5 {
		w.happens(t, hodei.Running, w.exec)
	}
	require.NoError(t, stream.Purge(t.Context(), jetstream.WithPurgeSequence(5)))
	fresh, _ := serve(t, w.nc, edge.Config{})
	next, _ = w.events(t, fresh, "?follow=true", "Last-Event-ID: 2")
	require.Equal(t, "the events since are no longer kept", next().feed.Resync.Reason)
	require.Equal(t, "5", next().id, "what is still kept is given")
	require.Equal(t, "6", next().id)
}

// A reader that does not read gets a resync and is disconnected; others are not
// affected.
func TestEventsSlowReader(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	strict, _ := serve(t, w.nc, edge.Config{EventBytes: 4 << 20})
	_, resp := w.events(t, strict, "?follow=true&only=executions")
	quick, _ := w.events(t, strict, "?follow=true&only=executions")
	require.Equal(t, shown{id: "0"}, quick())
	body := strings.Repeat("x", 50_000)
	const flood = 400 // far more than the backlog of a reader and the buffers of a connection
	for n := 1; n <= flood; n++ {
		e := hodei.Execution{ID: w.exec, Spec: hodei.Spec{Command: hodei.Command{Shell: body}}}
		require.NoError(t, rpc.PublishEvent(t.Context(), w.nc, schemas.Event{Type: schemas.EventStarted, Execution: e}))
		if n%50 == 0 { // the fast one is never far behind, and receives all
			for id := n - 49; id <= n; id++ {
				require.Equal(t, strconv.Itoa(id), quick().id)
			}
		}
	}
	rest, err := io.ReadAll(resp.Body)
	require.Less(t, strings.Count(string(rest), "\nid: "), flood, "it is cut")
	if err == nil && strings.HasSuffix(string(rest), "\n\n") { // its connection still accepted the resync
		require.Contains(t, string(rest), "this reader is too slow")
	}
	require.NoError(t, resp.Body.Close())
}

// All readers share one source, which ends with the last one.
func TestEventsShareASource(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	js, err := jetstream.New(w.nc)
	require.NoError(t, err)
	consumers := func() int {
		stream, err := js.Stream(t.Context(), schemas.EventStream)
		require.NoError(t, err)
		return stream.CachedInfo().State.Consumers
	}
	var open []*http.Response
	for range 20 {
		next, resp := w.events(t, w.edge, "?follow=true")
		next()
		open = append(open, resp)
	}
	require.Eventually(t, func() bool { return consumers() == 1 }, time.Minute, 10*time.Millisecond)
	for _, resp := range open {
		require.NoError(t, resp.Body.Close())
	}
	require.Eventually(t, func() bool { return consumers() == 0 }, time.Minute, 20*time.Millisecond)
}

// Streams of events end with the edge.
func TestEventsEndWithTheEdge(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e, stop := serve(t, w.nc, edge.Config{})
	next, _ := w.events(t, e, "?follow=true")
	next()
	stop()
	require.Empty(t, next())
}

// A link that cannot send headers selects the format in its URL.
func TestLogFormatByParameter(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write(t, 1, 2)
	url := w.url("/executions/" + w.exec.String() + "/logs?format=")
	require.Equal(t, "<line 1>\n<line 2>\n", text(t, do(t, "GET", url+"text", "", "Accept: application/json")))
	require.Contains(t, text(t, do(t, "GET", url+"json", "")), `"items":[`)
	require.Equal(t, frames(1, 2)+w.done(hodei.Running, 2), text(t, do(t, "GET", url+"events", "", "Accept: text/plain")))
	for _, bad := range []string{"pdf", "", "text&format=json"} {
		resp := do(t, "GET", url+bad, "")
		require.Equal(t, 400, resp.StatusCode)
		require.Contains(t, text(t, resp), `"field":"format"`)
	}
}

// Every port serves the console, which hides no route of the API.
func TestConsoleIsServed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	page := do(t, "GET", w.url("/"), "")
	require.Equal(t, "/ui/", page.Request.URL.Path)
	require.Contains(t, text(t, page), `<div id="app">`)
	require.Equal(t, 200, do(t, "HEAD", w.url("/ui/executions/x"), "").StatusCode)
	require.Contains(t, text(t, do(t, "GET", w.url("/pipelines"), "")), `"items":[`)
	require.Contains(t, text(t, do(t, "POST", w.url("/ui/"), "")), `"error":"METHOD_NOT_ALLOWED"`)
	addrs := w.edge.Addrs()
	for _, addr := range addrs[1:] {
		require.Equal(t, 200, do(t, "GET", "http://"+addr+"/ui/", "").StatusCode)
	}
}
