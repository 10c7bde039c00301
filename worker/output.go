package worker

import (
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hodei-jobs/hodei"
)

// output is the reading end of a pipe.
type output struct {
	stream hodei.Stream
	pipe   *os.File
}

// read takes what the command prints until the pipe is closed, or, once its
// deadline is set, until it is empty.
func (w *Worker) read(r *run, o output) {
	defer o.pipe.Close()
	buf := w.buffers.Get().(*[]byte)
	defer w.buffers.Put(buf)
	var at time.Time
	s := splitter{emit: func(line []byte, partial bool) { r.journal.append(o.stream, at, line, partial) }}
	for {
		n, err := o.pipe.Read(*buf)
		at = time.Now()
		s.write((*buf)[:n])
		if os.IsTimeout(err) {
			_ = o.pipe.SetReadDeadline(time.Time{})
			drain(o.pipe, *buf, func(p []byte) { at = time.Now(); s.write(p) })
		}
		if err != nil {
			s.close()
			return
		}
	}
}

// drain reads what is in the pipe now, without waiting for more. What a
// process that goes on writing adds meanwhile is not followed for ever.
func drain(pipe *os.File, buf []byte, write func([]byte)) {
	conn, err := pipe.SyscallConn()
	if err != nil {
		return
	}
	for most := 1 << 20; most > 0; { // no pipe of an unprivileged user holds more
		n := 0
		_ = conn.Read(func(fd uintptr) bool {
			n, err = unix.Read(int(fd), buf)
			return true
		})
		if err != nil || n <= 0 {
			return
		}
		write(buf[:n])
		most -= n
	}
}
