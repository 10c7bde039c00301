package edge_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei/edge"
)

// dial opens a connection and writes to it.
func dial(t *testing.T, addr, text string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(30*time.Second)))
	_, err = io.WriteString(conn, text)
	require.NoError(t, err)
	return conn
}

// The edge answers a request that never ends, or closes its connection, on
// every route.
func TestRequestsThatNeverEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e, _ := serve(t, w.nc, edge.Config{Patience: 2 * time.Second})
	const length, chunked = "Content-Length: 100\r\n\r\n{", "Transfer-Encoding: chunked\r\n\r\n5\r\nab"
	type request struct {
		conn net.Conn
		line string
		want int
	}
	var requests []request // at once: each waits for a limit of time
	for line, want := range map[string]int{
		"POST /pipelines": 400, "GET /pipelines": 400, "POST /nothing": 404, "PUT /pipelines": 405,
		"GET /events?follow=true": 400, "GET /executions/" + w.exec.String() + "/logs/stream?follow=true": 400,
		"POST /jobs/" + w.job.String() + "/execute": 400, "GET /docs": 0, "GET /healthz": 0, "GET /ui/": 0,
	} {
		for _, rest := range []string{length, chunked} {
			conn := dial(t, e.Addrs()[0], line+" HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"+rest)
			requests = append(requests, request{conn, line, want})
		}
	}
	for _, r := range requests {
		all, err := io.ReadAll(r.conn)
		require.NoError(t, err, "%s is left open", r.line)
		if r.want != 0 {
			require.Contains(t, string(all), fmt.Sprintf("HTTP/1.1 %d ", r.want), r.line)
			require.Contains(t, string(all), "Connection: close", r.line)
		}
	}
	require.NotContains(t, numbers(t, e), `status="500"`)
}

// numbers returns the metrics of an edge of little patience, which may close a connection
// before a client on a busy machine has sent its request.
func numbers(t *testing.T, e *edge.Edge) (all string) {
	require.Eventually(t, func() bool {
		resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get("http://" + e.Addrs()[0] + "/metrics")
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		all = string(body)
		return err == nil
	}, time.Minute, 10*time.Millisecond)
	return all
}

// The limit on sending a request does not end a stream.
func TestStreamsOutliveTheLimits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e, _ := serve(t, w.nc, edge.Config{Patience: time.Second, KeepAlive: 300 * time.Millisecond})
	next, _ := w.stream(t, e.Addrs()[0], "?follow=true")
	next(strings.Repeat(": keep-alive\n\n", 5))
}

// A client that does not read an answer is disconnected.
func TestAnswersThatAreNotRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e, _ := serve(t, w.nc, edge.Config{Patience: 2 * time.Second})
	open := func(n int) func() bool {
		return func() bool {
			return strings.Contains(numbers(t, e), fmt.Sprintf("hodei_http_open_connections %d\n", n))
		}
	}
	const clients = 5
	for range clients {
		conn, err := net.Dial("tcp", e.Addrs()[0])
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		require.NoError(t, conn.(*net.TCPConn).SetReadBuffer(2048))
		_, err = io.WriteString(conn, "GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: localhost\r\n\r\n")
		require.NoError(t, err)
	}
	require.Eventually(t, open(1), 30*time.Second, 20*time.Millisecond, "only that of the question itself is left")
}

func TestLongHeadersAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	conn := dial(t, w.edge.Addrs()[0], "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Long: "+strings.Repeat("x", 100<<10)+"\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusRequestHeaderFieldsTooLarge, resp.StatusCode)
	require.NoError(t, resp.Body.Close())
}

// A connection over the limit is refused at once on any port, until another
// closes.
func TestConnectionsAreCapped(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e, _ := serve(t, w.nc, edge.Config{MaxConns: 3})
	const healthz = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
	var open []net.Conn
	for _, addr := range e.Addrs() {
		conn := dial(t, addr, healthz)
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		require.Equal(t, 200, resp.StatusCode)
		open = append(open, conn)
	}
	over := dial(t, e.Addrs()[0], "")
	all, _ := io.ReadAll(over) // a reset, if the answer came late
	require.True(t, len(all) == 0 || strings.HasPrefix(string(all), "HTTP/1.1 503 "), "%q", all)
	require.NoError(t, open[0].Close())
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", e.Addrs()[1])
		require.NoError(t, err)
		defer conn.Close()
		_, _ = io.WriteString(conn, healthz)
		status := make([]byte, len("HTTP/1.1 200"))
		_, _ = io.ReadFull(conn, status)
		return string(status) == "HTTP/1.1 200"
	}, 30*time.Second, 20*time.Millisecond)
}

// A client may close its sending side after the request.
func TestHalfClosedClientsAreAnswered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 20 {
		conn := dial(t, w.edge.Addrs()[0], "POST /pipelines HTTP/1.1\r\nHost: localhost\r\nContent-Length: 14\r\n\r\n"+`{"name":"abc"}`)
		require.NoError(t, conn.(*net.TCPConn).CloseWrite())
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		require.Equal(t, 201, resp.StatusCode)
		require.NoError(t, resp.Body.Close())
	}
}
