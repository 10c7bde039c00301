package joblog

import (
	"errors"
	"math"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hodei-jobs/hodei"
)

// Pipes are the two pipes of a run. There is a goroutine for each; either reads both
// when it wakes, standard output first: the kernel does not show which of two pipes was
// written to first, and what a command prints just before an error message should come
// before it.
type Pipes struct {
	journal *Journal

	mu    sync.Mutex
	pipes [2]*pipe
}

// pipe is the reading end of a pipe.
type pipe struct {
	stream hodei.Stream
	file   *os.File
	conn   syscall.RawConn
	fd     int
	ended  bool
}

// NewPipes returns the pipes whose reading ends are given; Read closes them.
func NewPipes(j *Journal, stdout, stderr *os.File) *Pipes {
	o := &Pipes{journal: j}
	for i, end := range []struct {
		stream hodei.Stream
		file   *os.File
	}{{hodei.Stdout, stdout}, {hodei.Stderr, stderr}} {
		p := &pipe{stream: end.stream, file: end.file}
		var err error
		if p.conn, err = end.file.SyscallConn(); err == nil {
			err = p.conn.Control(func(fd uintptr) { p.fd = int(fd) })
		}
		p.ended = err != nil // only a closed file has none
		o.pipes[i] = p
	}
	return o
}

// buffers have room for all that a pipe holds by default. A run has one only while
// there is something to read.
var buffers = sync.Pool{New: func() any { buf := make([]byte, 64<<10); return &buf }}

// Read reads what the command prints until both pipes are closed, or, after Hurry,
// until they are empty.
func (o *Pipes) Read() {
	var readers sync.WaitGroup
	for _, p := range o.pipes {
		readers.Go(func() { o.follow(p) })
	}
	readers.Wait()
	for _, p := range o.pipes {
		_ = p.file.Close() // no data was written to it here
	}
}

func (o *Pipes) follow(p *pipe) {
	err := p.conn.Read(func(uintptr) bool {
		o.take(math.MaxInt)
		return o.over(p)
	})
	if err != nil { // after Hurry: what is in the pipe is read, a writer that goes on is not followed for ever
		o.take(1 << 20) // no pipe of an unprivileged user holds more
		o.end(p)
	}
}

// take reads what the pipes hold, or about most bytes.
func (o *Pipes) take(most int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	for more := true; more && most > 0; {
		more = false
		for _, p := range o.pipes {
			if p.ended {
				continue
			}
			n, err := unix.Read(p.fd, *buf)
			switch {
			case n > 0:
				o.journal.Append(p.stream, time.Now(), (*buf)[:n])
				most -= n
				more = true
			case errors.Is(err, unix.EINTR):
				more = true
			case !errors.Is(err, unix.EAGAIN):
				o.finish(p)
			}
		}
	}
}

// finish adds what no line end has ended.
func (o *Pipes) finish(p *pipe) {
	p.ended = true
	o.journal.End(p.stream, time.Now())
}

func (o *Pipes) over(p *pipe) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return p.ended
}

func (o *Pipes) end(p *pipe) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !p.ended {
		o.finish(p)
	}
}

// Held reports whether any process has the writing end of a pipe open. That the pipes
// are not read to their end is no sign of it: their reader may be waiting for room.
func (o *Pipes) Held() bool {
	for _, p := range o.pipes {
		poll := []unix.PollFd{{Events: unix.POLLIN}}
		err := p.conn.Control(func(fd uintptr) {
			poll[0].Fd = int32(fd)
			_, _ = unix.Poll(poll, 0) // after an error it counts as held
		})
		if err == nil && poll[0].Revents&unix.POLLHUP == 0 { // an error means that it is closed
			return true
		}
	}
	return false
}

// Hurry ends the reading as soon as the pipes are empty.
func (o *Pipes) Hurry() {
	for _, p := range o.pipes {
		_ = p.file.SetReadDeadline(time.Now()) // fails if it was read to its end
	}
}
