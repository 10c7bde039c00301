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
	// writeTimeout is how long a client may leave what it was sent unread.
	writeTimeout = 10 * time.Second
	// piece is how many bytes of a stream are written at once. It fits into the
	// third of sendBuffer that is free when a socket is writable, so the write
	// does not block.
	piece = 32 << 10
	// sendBuffer is what the kernel holds for a client that does not read; Linux
	// doubles it.
	sendBuffer = 128 << 10
)

// errStalled ends the stream of a client that has read nothing for writeTimeout.
var errStalled = errors.New("the client does not read")

// wire writes a stream to one client. There may be thousands, of which any number
// have stopped reading, so a stream must not hold what it is about to write while
// it waits for its client: it waits until the socket is writable, then makes a
// piece, then writes that.
type wire struct {
	w    http.ResponseWriter
	conn *http.ResponseController
	raw  syscall.RawConn // nil where the connection has none
}

type connKey struct{}

// withConn bounds what the kernel holds for a connection, so that a client that does
// not read is noticed, and lets handlers find it. It is for http.Server.ConnContext.
func withConn(ctx context.Context, conn net.Conn) context.Context {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(sendBuffer) // the kernel's choice works too, it is only larger
	}
	return context.WithValue(ctx, connKey{}, conn)
}

func newWire(w http.ResponseWriter, r *http.Request, contentType string) *wire {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // a proxy's buffer would hold lines back
	if rec, ok := w.(*recorder); ok {
		rec.stream = true
	}
	s := &wire{w: w, conn: http.NewResponseController(w)}
	if conn, ok := r.Context().Value(connKey{}).(*net.TCPConn); ok {
		s.raw, _ = conn.SyscallConn() // fails for a closed connection, as the write will
	}
	return s
}

// ready reports whether the client takes a piece, after waiting for so long.
func (s *wire) ready(wait time.Duration) (ready bool) {
	if s.raw == nil {
		return true
	}
	_ = s.conn.SetWriteDeadline(time.Now().Add(wait)) // the wait below ends by it
	_ = s.raw.Write(func(fd uintptr) bool {
		ready = writable(fd)
		return ready
	})
	return ready
}

// writable asks the kernel, which also arms the notification that RawConn.Write
// waits for.
func writable(fd uintptr) bool {
	poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
	n, err := unix.Poll(poll, 0)
	return n > 0 || err != nil && !errors.Is(err, unix.EINTR) // the write tells what is wrong
}

// write sends what is to follow soon by more.
func (s *wire) write(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	_ = s.conn.SetWriteDeadline(time.Now().Add(writeTimeout)) // only where the connection has one
	_, err := s.w.Write(p)
	return err
}

// flush sends it all, and the headers with the first.
func (s *wire) flush() error {
	_ = s.conn.SetWriteDeadline(time.Now().Add(writeTimeout)) // likewise
	return s.conn.Flush()
}

// send writes bytes of any number, piece by piece as the client reads, and
// flushes them.
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
