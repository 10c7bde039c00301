package edge

import (
	"net"
	"net/http"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// restTimeout is how long a client that was refused may go on sending: it may
	// read the answer only after that.
	restTimeout = 2 * time.Second
	// maxHeader is the most bytes of a request's headers.
	maxHeader = 64 << 10
	// maxConns is how many connections may be open on all ports.
	maxConns = 16 << 10
)

// connLimit leaves a quarter of the descriptors that the process may have to all
// else.
func connLimit() int {
	var files unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err != nil {
		return maxConns
	}
	return int(min(maxConns, files.Cur/4*3))
}

// tooMany is written to a connection beyond the limit, before its request is read.
const tooMany = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

// connState counts connections, for http.Server.ConnState, and closes those beyond
// the limit.
func (e *Edge) connState(conn net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		if e.conns.Add(1) <= int64(e.cfg.MaxConns) {
			return
		}
		_ = conn.SetWriteDeadline(time.Now().Add(time.Second)) // its buffer is empty, so nothing waits
		_, _ = conn.Write([]byte(tooMany))
		_ = conn.Close() // the server notices, and reports it as closed
	case http.StateClosed, http.StateHijacked:
		e.conns.Add(-1)
	}
}
