package worker

import (
	"bytes"
	"hash/crc32"
	"log/slog"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hodei-jobs/hodei"
)

// A chunk is cut at so many lines or bytes, or so long after its first line,
// whichever comes first. One that cannot be sent yet is not cut by time: when
// the record lags behind, chunks grow instead of becoming many.
const (
	chunkLines  = 500
	chunkBytes  = 64 << 10
	chunkLinger = 5 * time.Millisecond
)

// window is how many chunks of one execution may be sent and not confirmed.
const window = 256

// A chunk that is not confirmed is sent again after resendFirst, then after
// twice as long each time, up to resendMost.
const (
	resendFirst = 2 * time.Second
	resendMost  = 15 * time.Second
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// journal is what one execution has said: it numbers the lines, cuts them into
// chunks, sends these in order and keeps each until it is confirmed. A chunk
// once cut is never cut differently. Its methods may be called at once.
type journal struct {
	id    hodei.ExecutionID
	spool *spool
	log   *slog.Logger
	// send hands a chunk to NATS, without waiting for anything; it fails while
	// disconnected.
	send func(id hodei.ExecutionID, first, last int64, lines []byte) error

	mu            sync.Mutex
	count, digest int64
	stamp         []byte // of the last line, as text
	stampAt       time.Time
	open          []byte // lines not cut yet
	openLines     int
	opened        time.Time
	linger        *time.Timer
	inflight      []*chunk // sent at least once, in order, at most window
	waiting       []*chunk // not sent yet, in order
	file          spoolFile
	closed        bool
	dropped       atomic.Bool
	settled       chan struct{} // closed once closed and nothing is kept
}

func newJournal(id hodei.ExecutionID, s *spool, log *slog.Logger, send func(hodei.ExecutionID, int64, int64, []byte) error) *journal {
	return &journal{id: id, spool: s, log: log, send: send, file: spoolFile{dir: s.dir, id: id}, settled: make(chan struct{})}
}

// append adds a line, read at the given time. It blocks while the spool is
// full; the line is taken nevertheless.
func (j *journal) append(stream hodei.Stream, at time.Time, line []byte, partial bool) {
	if j.add(stream, at, line, partial) {
		j.spool.await(&j.dropped)
	}
}

// add reports whether the line completed a chunk.
func (j *journal) add(stream hodei.Stream, at time.Time, line []byte, partial bool) (cut bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed || j.dropped.Load() {
		return false
	}
	if at.After(j.stampAt) { // two readers may swap by a hair; lines never do
		j.stampAt = at
		j.stamp = at.UTC().AppendFormat(j.stamp[:0], time.RFC3339Nano)
	}
	j.count++
	mark := len(j.open)
	j.open = appendLine(j.open, j.stamp, stream, line, j.count, partial)
	j.digest = (j.digest + int64(crc32.Checksum(j.open[mark:], castagnoli))) & math.MaxInt64
	j.open = append(j.open, '\n')
	if mark > 0 && len(j.open) > chunkBytes {
		tail := bytes.Clone(j.open[mark:])
		j.open = j.open[:mark]
		j.seal(j.count - 1)
		j.open, mark, cut = append(j.open, tail...), 0, true
	}
	if j.openLines++; mark == 0 {
		j.begin(at)
	}
	if j.openLines == chunkLines || len(j.open) >= chunkBytes {
		j.seal(j.count)
		cut = true
	}
	if cut {
		j.pump()
	}
	return cut
}

// begin starts the clock of an open chunk.
func (j *journal) begin(at time.Time) {
	j.opened = at
	if j.linger == nil {
		j.linger = time.AfterFunc(chunkLinger, j.wake)
	} else {
		j.linger.Reset(chunkLinger)
	}
}

// seal cuts the open lines, of which last is the last, into a chunk.
func (j *journal) seal(last int64) {
	c := &chunk{first: last - int64(j.openLines) + 1, last: last, size: len(j.open), pause: resendFirst}
	j.keep(c)
	j.waiting = append(j.waiting, c)
	j.open, j.openLines = j.open[:0], 0
}

// keep holds the open lines for a chunk in memory, or on disk when memory is
// full.
func (j *journal) keep(c *chunk) {
	if !j.spool.take(c.size) {
		err := j.file.append(c, j.open)
		if err == nil {
			j.spool.spilled(c.size)
			return
		}
		j.log.Error("log chunk not spilled to disk", "execution_id", j.id, "err", err)
		j.spool.insist(c.size)
	}
	c.lines = bytes.Clone(j.open)
}

// wake sends what has become due.
func (j *journal) wake() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.pump()
}

// pump sends chunks in order for as long as the window has room, and cuts the
// open lines when their time is over.
func (j *journal) pump() {
	for len(j.inflight) < window && !j.dropped.Load() {
		if len(j.waiting) == 0 {
			if j.openLines == 0 || !j.closed && time.Since(j.opened) < chunkLinger {
				return
			}
			j.seal(j.count)
		}
		c := j.waiting[0]
		if !j.transmit(c, time.Now()) {
			return
		}
		j.waiting[0], j.waiting = nil, j.waiting[1:]
		j.inflight = append(j.inflight, c)
	}
}

func (j *journal) transmit(c *chunk, now time.Time) bool {
	lines, err := j.file.read(c)
	if err != nil {
		j.log.Error("log chunk not read back", "execution_id", j.id, "first", c.first, "last", c.last, "err", err)
		return false
	}
	if j.send(j.id, c.first, c.last, lines) != nil {
		return false // disconnected: NATS says so, and a reconnect sends again
	}
	c.due = now.Add(c.pause)
	return true
}

// resend sends again what should have been confirmed by now, or, after a
// reconnect, everything that is not.
func (j *journal) resend(now time.Time, all bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, c := range j.inflight {
		if all {
			c.pause = resendFirst
		} else if now.Before(c.due) {
			continue
		} else {
			c.pause = min(2*c.pause, resendMost)
		}
		if !j.transmit(c, now) {
			return
		}
	}
	j.pump()
}

// confirm forgets the chunk of exactly that span: the record has it.
func (j *journal) confirm(first, last int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for i, c := range j.inflight {
		if c.first == first && c.last == last {
			j.inflight = slices.Delete(j.inflight, i, i+1)
			j.release(c)
			break
		}
	}
	j.pump()
	j.settle()
}

func (j *journal) release(c *chunk) {
	if c.lines != nil {
		j.spool.release(int64(c.size), 0)
		return
	}
	freed, err := j.file.done()
	if err != nil {
		j.log.Error("spool file not emptied", "execution_id", j.id, "err", err)
	}
	j.spool.release(0, freed)
}

// settle notes that nothing is left to keep.
func (j *journal) settle() {
	if !j.closed || j.openLines+len(j.waiting)+len(j.inflight) > 0 {
		return
	}
	select {
	case <-j.settled:
	default:
		close(j.settled)
		if err := j.file.remove(); err != nil {
			j.log.Error("spool file not removed", "execution_id", j.id, "err", err)
		}
	}
}

// close ends the log and returns the number of its lines and their digest.
// What is kept is sent and kept on until it is confirmed; then settled closes.
func (j *journal) close() (count, digest int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.linger != nil {
		j.linger.Stop()
	}
	j.closed = true
	j.pump()
	j.settle()
	return j.count, j.digest
}

// drop forgets everything, and takes no more.
func (j *journal) drop() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.dropped.Store(true)
	j.open, j.openLines = nil, 0
	for _, c := range append(j.inflight, j.waiting...) {
		j.release(c)
	}
	j.inflight, j.waiting = nil, nil
	j.spool.release(0, 0) // whoever waits for room need not
	j.settle()
}
