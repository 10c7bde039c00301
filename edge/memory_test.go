package edge_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/edge"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
)

// stalled opens a stream with a small receive buffer and reads only the
// headers.
func stalled(t *testing.T, addr, path string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.(*net.TCPConn).SetReadBuffer(2048))
	_, err = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path)
	require.NoError(t, err)
	status := make([]byte, len("HTTP/1.1 200"))
	_, err = io.ReadFull(conn, status)
	require.NoError(t, err)
	require.Equal(t, "HTTP/1.1 200", string(status))
	return conn
}

// held returns the live heap after a collection.
func held() int {
	runtime.GC()
	var now runtime.MemStats
	runtime.ReadMemStats(&now)
	return int(now.HeapAlloc)
}

// Attack: thousands of followers do not read during a flood. Each used to hold
// most of a megabyte that it was about to write. Tests that are not parallel
// have the process to themselves.
func TestStalledFollowersHoldLittle(t *testing.T) {
	w := newWorld(t)
	const followers = 300
	path := "/executions/" + w.exec.String() + "/logs/stream?follow=true"
	next, _ := w.stream(t, w.edge.Addrs()[0], "?follow=true")
	for range followers {
		stalled(t, w.edge.Addrs()[0], path)
	}
	before := held()
	for n := int64(1); n < 100_000; n += 2000 {
		w.write(t, n, n+1999)
		next(frames(n, n+1999)) // a client that reads is not delayed
	}
	require.Less(t, held()-before, 48<<20, "%d stalled followers", followers)
}

// Attack: readers of events do not read. Each used to hold a channel of
// thousands of events, limited by number instead of size.
func TestEventReadersHoldLittle(t *testing.T) {
	w := newWorld(t)
	before := held()
	const readers = 300
	for range readers {
		stalled(t, w.edge.Addrs()[0], "/events?follow=true")
	}
	next, _ := w.events(t, w.edge, "?follow=true&only=executions")
	require.Equal(t, shown{id: "0"}, next())
	require.Less(t, held()-before, readers*(64<<10), "%d readers", readers)
	body := strings.Repeat("x", 120_000)
	for n := range 150 {
		e := hodei.Execution{ID: w.exec, Attempt: n, Spec: hodei.Spec{Command: hodei.Command{Shell: body}}}
		require.NoError(t, rpc.PublishEvent(t.Context(), w.nc, schemas.Event{Type: schemas.EventStarted, Execution: e}))
		frame := next()
		require.NotNil(t, frame.feed.Execution, "event %d", n)
		require.Equal(t, n, frame.feed.Execution.Execution.Attempt)
	}
	require.Less(t, held()-before, 48<<20, "%d readers of a flood", readers)
}

// A stream over the limit gets 503 until another stream ends.
func TestStreamsAreCapped(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, e := range map[string]edge.Config{
		"--max-streams": {MaxStreams: 3}, "--max-streams-per-client": {MaxStreamsPerClient: 3},
	} {
		capped, _ := serve(t, w.nc, e)
		addr := capped.Addrs()
		_, first := w.stream(t, addr[0], "?follow=true")
		_, _ = w.stream(t, addr[1+1], "?follow=true")
		next, _ := w.events(t, capped, "?follow=true")
		next()
		for _, path := range []string{"/events?follow=true", "/events", "/executions/" + w.exec.String() + "/logs/stream?follow=true", "/runs/" + w.run.String() + "/logs/stream"} {
			resp := do(t, "GET", "http://"+addr[0]+path, "")
			require.Equal(t, 503, resp.StatusCode)
			require.NotEmpty(t, resp.Header.Get("Retry-After"))
			require.Contains(t, text(t, resp), name)
		}
		require.Equal(t, 200, do(t, "GET", "http://"+addr[0]+"/pipelines", "").StatusCode, "only streams are counted")
		require.NoError(t, first.Body.Close())
		require.Eventually(t, func() bool {
			resp := do(t, "GET", "http://"+addr[0]+"/events", "")
			defer resp.Body.Close()
			return resp.StatusCode == http.StatusOK
		}, 30*time.Second, 20*time.Millisecond, "the place is not free again")
	}
}

// A client that leaves while its event stream opens does not cause an error.
func TestLeavingWhileJoining(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.forget(t, schemas.EventStream) // so that opening fails
	conn, err := net.Dial("tcp", w.edge.Addrs()[0])
	require.NoError(t, err)
	_, err = fmt.Fprint(conn, "GET /events?follow=true HTTP/1.1\r\nHost: localhost\r\n\r\n")
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		return strings.Contains(text(t, do(t, "GET", w.url("/metrics"), "")), "hodei_http_open_streams 1")
	}, 30*time.Second, 10*time.Millisecond)
	require.NoError(t, conn.Close())
	require.Eventually(t, func() bool {
		numbers := text(t, do(t, "GET", w.url("/metrics"), ""))
		require.NotContains(t, numbers, `route="/events",status="500"`)
		return strings.Contains(numbers, `route="/events",status="503"`)
	}, 30*time.Second, 10*time.Millisecond)
}
