package edge

import (
	"net"
	"net/http"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// restTimeout is how long a refused client may keep sending. Many clients
	// read the answer only after they have sent everything.
	restTimeout = 2 * time.Second
	// maxHeader limits the bytes of a request's headers.
	maxHeader = 64 << 10
	// maxConns limits the open connections on all ports.
	maxConns = 16 << 10
)

// connLimit leaves a quarter of the process's file descriptors for everything
// else.
func connLimit() int {
	var files unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err != nil {
		return maxConns
	}
	return int(min(maxConns, files.Cur/4*3))
}

// tooMany is the answer to a connection over the limit, sent before its request
// is read.
const tooMany = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

// connState counts connections for http.Server.ConnState and closes those over
// the limit.
func (e *Edge) connState(conn net.Conn, state http.ConnState) {
	client := hostOf(conn.RemoteAddr().String())
	from := network(client)
	switch state {
	case http.StateNew:
		all, its := e.conns.Add(1) <= int64(e.cfg.MaxConns), e.of.enter(from)
		if all && (its || e.trusts(client)) {
			return
		}
		if conn == below(conn) { // with TLS, an answer would need a handshake first
			_ = conn.SetWriteDeadline(time.Now().Add(time.Second)) // the send buffer is empty, so the write does not block
			_, _ = conn.Write([]byte(tooMany))
		}
		_ = conn.Close() // the server then reports it as closed
	case http.StateClosed, http.StateHijacked:
		e.conns.Add(-1)
		e.of.leave(from)
	}
}
