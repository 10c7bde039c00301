package worker

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

// outputs are the two pipes of a run. There is a goroutine for each; whichever
// is woken reads both, standard output first, because the kernel does not tell
// which of two pipes was written to first, and what a command says just before
// it complains is meant to come first.
type outputs struct {
	journal *journal

	mu    sync.Mutex
	buf   []byte
	at    time.Time // when what is in buf was read
	pipes [2]*output
}

// output is the reading end of a pipe.
type output struct {
	file  *os.File
	conn  syscall.RawConn
	fd    int
	split splitter
	ended bool
}

func newOutputs(j *journal, stdout, stderr *os.File) *outputs {
	o := &outputs{journal: j}
	for i, pipe := range []struct {
		stream hodei.Stream
		file   *os.File
	}{{hodei.Stdout, stdout}, {hodei.Stderr, stderr}} {
		p := &output{file: pipe.file}
		p.split.emit = func(line []byte, partial bool) { j.append(pipe.stream, o.at, line, partial) }
		var err error
		if p.conn, err = pipe.file.SyscallConn(); err == nil {
			err = p.conn.Control(func(fd uintptr) { p.fd = int(fd) })
		}
		p.ended = err != nil // only a closed file has none
		o.pipes[i] = p
	}
	return o
}

// read takes what the command prints until both pipes are closed, or, once
// hurried, until they are empty.
func (w *Worker) read(o *outputs) {
	buf := w.buffers.Get().(*[]byte)
	defer w.buffers.Put(buf)
	o.buf = *buf
	var readers sync.WaitGroup
	for _, p := range o.pipes {
		readers.Go(func() { o.follow(p) })
	}
	readers.Wait()
	for _, p := range o.pipes {
		_ = p.file.Close() // nothing was written to it here
	}
}

func (o *outputs) follow(p *output) {
	err := p.conn.Read(func(uintptr) bool {
		o.take(math.MaxInt)
		return o.over(p)
	})
	if err != nil { // hurried: what is there is read, what is added meanwhile is not followed for ever
		o.take(1 << 20) // no pipe of an unprivileged user holds more
		o.end(p)
	}
}

// take reads what the pipes hold, or about as many bytes as most says.
func (o *outputs) take(most int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for more := true; more && most > 0; {
		more = false
		for _, p := range o.pipes {
			if p.ended {
				continue
			}
			n, err := unix.Read(p.fd, o.buf)
			switch {
			case n > 0:
				o.at = time.Now()
				o.split(p, o.buf[:n])
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

// split has the journal take the lines of what was read, all in one go: taking
// and leaving it for each cost a thirtieth of a flood.
func (o *outputs) split(p *output, read []byte) {
	o.journal.mu.Lock()
	defer o.journal.mu.Unlock()
	p.split.write(read)
}

// finish has the journal take what no end of line has ended.
func (o *outputs) finish(p *output) {
	o.journal.mu.Lock()
	defer o.journal.mu.Unlock()
	p.ended = true
	p.split.close()
}

func (o *outputs) over(p *output) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return p.ended
}

func (o *outputs) end(p *output) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !p.ended {
		o.finish(p)
	}
}

// held reports whether there is anybody who could write to the pipes. Their
// reader may be waiting for room, so that they are not read to their end yet.
func (o *outputs) held() bool {
	for _, p := range o.pipes {
		poll := []unix.PollFd{{Events: unix.POLLIN}}
		err := p.conn.Control(func(fd uintptr) {
			poll[0].Fd = int32(fd)
			_, _ = unix.Poll(poll, 0) // an error leaves it as held
		})
		if err == nil && poll[0].Revents&unix.POLLHUP == 0 { // an error: it is closed
			return true
		}
	}
	return false
}

// hurry ends the reading as soon as the pipes are empty.
func (o *outputs) hurry() {
	for _, p := range o.pipes {
		_ = p.file.SetReadDeadline(time.Now()) // fails where it is read to its end
	}
}
