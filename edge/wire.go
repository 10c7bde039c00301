package edge

import (
	"context"
	"errors"
	"net"
	"net/http"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// writeTimeout is how long a client may leave data unread.
	writeTimeout = 10 * time.Second
	// piece is the size of one write of a stream. It fits into the third of the
	// kernel's buffer, twice sendBuffer, that is free when a socket is writable, so
	// the write does not block. Half of it cost a follower and its stream a tenth
	// more processor time.
	piece = 64 << 10
	// sendBuffer is the size of the kernel's buffer for a client that does not
	// read. Linux doubles it.
	sendBuffer = 128 << 10
)

// errStalled ends the stream of a client that has read nothing for
// writeTimeout.
var errStalled = errors.New("the client does not read")

// wire writes a stream to one client. Thousands of clients may have stopped
// reading, so a stream must not hold data while it waits for its client: it
// waits until the socket is writable, then encodes a piece, then writes it.
type wire struct {
	w    http.ResponseWriter
	conn *http.ResponseController
	raw  syscall.RawConn // nil if the connection has none
}

type connKey struct{}

// withConn bounds the kernel's send buffer, so that a client that does not read
// is detected, and passes the connection to handlers. For
// http.Server.ConnContext.
func withConn(ctx context.Context, conn net.Conn) context.Context {
	if tcp, ok := below(conn).(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(sendBuffer) // on failure the kernel's larger buffer works too
	}
	return context.WithValue(ctx, connKey{}, below(conn))
}

func newWire(w http.ResponseWriter, r *http.Request, contentType string) *wire {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // a proxy's buffer would delay lines
	if rec, ok := w.(*recorder); ok {
		rec.stream = true
	}
	s := &wire{w: w, conn: http.NewResponseController(w)}
	if conn, ok := r.Context().Value(connKey{}).(*net.TCPConn); ok {
		s.raw, _ = conn.SyscallConn() // fails on a closed connection, as the write will
	}
	return s
}

// ready waits up to wait and reports whether the client can take a piece.
func (s *wire) ready(wait time.Duration) (ready bool) {
	if s.raw == nil {
		return true
	}
	_ = s.conn.SetWriteDeadline(time.Now().Add(wait)) // ends the wait below
	_ = s.raw.Write(func(fd uintptr) bool {
		ready = writable(fd)
		return ready
	})
	return ready
}

// writable polls the socket, which also arms the notification that
// RawConn.Write waits for.
func writable(fd uintptr) bool {
	poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
	n, err := unix.Poll(poll, 0)
	return n > 0 || err != nil && !errors.Is(err, unix.EINTR) // the write returns the error
}

// write sends bytes that more will follow soon.
func (s *wire) write(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	_ = s.conn.SetWriteDeadline(time.Now().Add(writeTimeout)) // not every connection has one
	_, err := s.w.Write(p)
	return err
}

// flush sends everything, with the headers on the first call.
func (s *wire) flush() error {
	_ = s.conn.SetWriteDeadline(time.Now().Add(writeTimeout)) // not every connection has one
	return s.conn.Flush()
}

// send writes any number of bytes piece by piece, as fast as the client reads,
// and flushes them.
func (s *wire) send(p []byte) error {
	for len(p) > 0 {
		if !s.ready(writeTimeout) {
			return errStalled
		}
		n := min(len(p), piece)
		if err := s.write(p[:n]); err != nil {
			return err
		}
		p = p[n:]
	}
	return s.flush()
}
