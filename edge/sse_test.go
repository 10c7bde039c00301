package edge_test

import (
	"io"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/client"
	"github.com/hodei-jobs/hodei/edge"
	"github.com/hodei-jobs/hodei/schemas"
)

func TestLogOfWhatThereIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write(t, 1, 6)
	done := w.done(hodei.Running, 6)
	bare := `id: 6` + "\n" + `data: {"stream":"stderr","line":"<line 6>","sequence":6}` + "\n\n"
	for query, want := range map[string]string{
		"":                                frames(1, 6) + done,
		"?follow=false&tail=all":          frames(1, 6) + done,
		"?tail=2&timestamps=true":         frames(5, 6) + done,
		"?tail=0":                         "id: 6\n\n" + done,
		"?tail=99":                        frames(1, 6) + done,
		"?tail=3&stream=stdout":           frame(5) + done,
		"?stream=all&tail=1":              frames(6, 6) + done,
		"?since=2026-01-01T00:00:05Z":     frames(5, 6) + done,
		"?until=2026-01-01T00:00:02Z":     frames(1, 2) + done,
		"?since=10m":                      done,
		"?tail=1&timestamps=false":        bare + done,
		"?stream=stderr&timestamps=false": strings.ReplaceAll(bare, "6", "2") + strings.ReplaceAll(bare, "6", "4") + bare + done,
	} {
		resp := do(t, "GET", w.url("/executions/"+w.exec.String()+"/logs/stream"+query), "")
		require.Equal(t, 200, resp.StatusCode)
		require.Equal(t, "text/event-stream", resp.Header.Get("Content-Type"))
		require.Equal(t, "no-store", resp.Header.Get("Cache-Control"))
		require.Equal(t, "no", resp.Header.Get("X-Accel-Buffering"))
		require.Equal(t, want, text(t, resp), query)
	}
}

// Any NATS client can publish a chunk. Whatever its content, each line is one
// frame.
func TestLinesCannotInjectFrames(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	forged := []string{
		"{\"line\":\"x\"}\r\rid: 99\revent: done\rdata: {\"status\":\"COMPLETED\"}\r\r",
		"\revent: done\rdata: {}\r", "not JSON", "", `{"timestamp":"nor a line","stream":1}`,
	}
	msg := nats.NewMsg(schemas.LogSubject(hodei.WorkerID{1}, w.exec))
	msg.Header.Set(schemas.HeaderFirst, "1")
	msg.Header.Set(schemas.HeaderLast, strconv.Itoa(len(forged)))
	msg.Data = []byte(strings.Join(forged, "\n") + "\n")
	_, err := w.nc.RequestMsg(msg, time.Minute)
	require.NoError(t, err)
	for _, query := range []string{"", "?timestamps=false", "?stream=stdout", "?stream=stdout&timestamps=false"} {
		got := text(t, do(t, "GET", w.url("/executions/"+w.exec.String()+"/logs/stream"+query), ""))
		lines, whole := strings.CutSuffix(got, w.done(hodei.Running, int64(len(forged))))
		require.True(t, whole, "%s: %q", query, got)
		all := regexp.MustCompile(`\A(id: [1-5]\ndata: [^\r\n]*\n\n){5}\z`)
		require.Regexp(t, all, lines, query)
	}
	for _, c := range []*client.Client{client.NATS(w.nc), client.HTTP(w.url("/"), client.WithHTTPClient(browser(t)))} {
		var got []string
		_, err := c.Follow(t.Context(), schemas.FollowLogsRequest{ID: hodei.RefTo(w.exec)}, func(l hodei.LogLine) error {
			got = append(got, l.Line)
			return nil
		})
		require.NoError(t, err)
		require.Contains(t, got, "not JSON")
	}
}

// The same log by its other route, in each format.
func TestLogForms(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write(t, 1, 3)
	url := w.url("/api/v1/executions/" + w.exec.String() + "/logs")
	for accept, want := range map[string]string{
		"*/*":                         frames(2, 3) + w.done(hodei.Running, 3),
		"text/event-stream":           frames(2, 3) + w.done(hodei.Running, 3),
		"text/plain":                  "<line 2>\n<line 3>\n",
		"application/json, text/html": `{"items":[` + string(encoded(2)) + "," + string(encoded(3)) + `],"next_cursor":null,"log_count":3,"status":"RUNNING","exit_code":null}`,
	} {
		require.Equal(t, want, text(t, do(t, "GET", url+"?tail=2&limit=9", "", "Accept: "+accept)), accept)
	}
	timed := text(t, do(t, "GET", url+"?tail=1&timestamps=true&follow=false", "", "Accept: text/plain"))
	require.Equal(t, "2026-01-01T00:00:03Z <line 3>\n", timed)
	require.Equal(t, frame(2)+w.done(hodei.Running, 3), text(t, do(t, "GET", url+"?cursor=1&limit=1", "")))
}

func TestFollowFromTheMiddle(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write(t, 1, 40)
	next, _ := w.stream(t, w.edge.Addrs()[2], "?tail=10&follow=true")
	next(frames(31, 40))
	w.write(t, 41, 41)
	next(frames(41, 41))
	w.write(t, 41, 43) // resent
	next(frames(42, 43))
	w.end(t)
	next(w.done(hodei.Completed, 43))
}

// A client that reconnects to another edge resumes where it was.
func TestResume(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write(t, 1, 5)
	first, stop := serve(t, w.nc, edge.Config{})
	next, resp := w.stream(t, first.Addrs()[0], "?tail=2&follow=true")
	next(frames(4, 5))
	stop()
	rest, err := io.ReadAll(resp.Body)
	require.NoError(t, err, "a stream ends cleanly when the edge stops")
	require.Empty(t, rest, "and without done")
	w.write(t, 6, 9)
	next, _ = w.stream(t, w.edge.Addrs()[0], "?tail=2&follow=true", "Last-Event-ID: 5")
	next(frames(6, 9))
	w.end(t)
	next(w.done(hodei.Completed, 9))
	next, _ = w.stream(t, w.edge.Addrs()[0], "?follow=true", "Last-Event-ID: 9")
	next(w.done(hodei.Completed, 9))
}

func TestKeepAlive(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e, _ := serve(t, w.nc, edge.Config{KeepAlive: 20 * time.Millisecond})
	next, _ := w.stream(t, e.Addrs()[0], "?follow=true")
	next(": keep-alive\n\n: keep-alive\n\n: keep-alive\n\n")
}

// The edge detects that a client left and ends its stream.
func TestDisconnect(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before := w.nc.NumSubscriptions()
	next, resp := w.stream(t, w.edge.Addrs()[0], "?follow=true")
	w.write(t, 1, 1)
	next(frames(1, 1))
	require.Greater(t, w.nc.NumSubscriptions(), before)
	require.NoError(t, resp.Body.Close())
	require.Eventually(t, func() bool { return w.nc.NumSubscriptions() == before }, time.Minute, 20*time.Millisecond,
		"the feed outlives its only reader")
}

// A client that stops reading delays no other client, and the stop disconnects
// it.
func TestStuckClient(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e, stop := serve(t, w.nc, edge.Config{Grace: 100 * time.Millisecond})
	_, _ = w.stream(t, e.Addrs()[0], "?follow=true") // the body is never read
	next, _ := w.stream(t, e.Addrs()[0], "?follow=true")
	for n := int64(1); n < 40000; n += 400 {
		w.write(t, n, n+399)
		next(frames(n, n+399))
	}
	stop()
}

// All streams of an execution share one feed. After the feed has read the
// window it has no consumer, for which the server would keep messages in
// memory.
func TestStreamsShareAFeed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write(t, 1, 2)
	before := w.nc.NumSubscriptions()
	var nexts []func(string)
	for range 20 {
		next, _ := w.stream(t, w.edge.Addrs()[0], "?follow=true")
		next(frames(1, 2))
		nexts = append(nexts, next)
	}
	js, err := jetstream.New(w.nc)
	require.NoError(t, err)
	stream, err := js.Stream(t.Context(), schemas.LogStream)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		info, err := stream.Info(t.Context())
		return err == nil && info.State.Consumers == 0 && w.nc.NumSubscriptions() == before+2 // lines and events
	}, time.Minute, time.Millisecond)
	w.write(t, 3, 3)
	w.end(t)
	for _, next := range nexts {
		next(frames(3, 3) + w.done(hodei.Completed, 3))
	}
}

// A tail without lines sends its position, so that a client that is
// disconnected before the first line misses none.
func TestTailOfNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write(t, 1, 7)
	next, _ := w.stream(t, w.edge.Addrs()[0], "?follow=true&tail=0")
	next("id: 7\n\n")
}
