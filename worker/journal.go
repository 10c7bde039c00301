package worker

import (
	"bytes"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/packed"
)

// A chunk is cut at so many lines or bytes, or so long after its first line,
// whichever comes first. One that cannot be sent yet is not cut by time: when
// the record lags behind, chunks grow instead of becoming many.
const (
	chunkLines  = 500
	chunkBytes  = 64 << 10
	chunkLinger = 5 * time.Millisecond
)

// A flood is when a worker's executions have said so many bytes more than is
// recorded, which is more than anybody reads along. Its chunks, those of
// executions that say much themselves, are packed once, which is small for all: for
// the spool, NATS, the window, the record and the followers. They are larger and
// have longer, for each costs as much as the lines in it, and zstd packs up to
// 128 KiB at once. For an execution the flood is over when it does not fill one in
// its time.
const (
	flood       = 512 << 10
	floodLines  = 2 * chunkLines
	floodBytes  = 2 * chunkBytes
	floodLinger = 5 * chunkLinger
)

// journal is what one execution has said: it numbers the lines, cuts them into
// chunks, sends these in order and keeps each until it is confirmed. A chunk
// once cut is never cut differently. Its methods may be called at once.
type journal struct {
	id    hodei.ExecutionID
	spool *spool
	log   *slog.Logger
	// send hands a chunk to NATS, without waiting for anything; it fails while
	// disconnected.
	send func(id hodei.ExecutionID, first, last int64, text packed.Text) error

	mu            sync.Mutex
	count, digest int64
	stamp         []byte // of the last line, as text
	stampAt       time.Time
	head          []byte // what it begins with
	headOf        hodei.Stream
	open          []byte // lines not cut yet
	openLines     int
	flooded       bool // they are of a flood; it changes only where a chunk is cut
	opened        time.Time
	linger        *time.Timer
	inflight      []*chunk // sent at least once, in order, at most window
	sent          int      // their bytes
	waiting       []*chunk // not sent yet, in order
	file          spoolFile
	closed        bool
	dropped       atomic.Bool
	settled       chan struct{} // closed once closed and nothing is kept
}

func newJournal(id hodei.ExecutionID, s *spool, log *slog.Logger, send func(hodei.ExecutionID, int64, int64, packed.Text) error) *journal {
	return &journal{id: id, spool: s, log: log, send: send, file: spoolFile{dir: s.dir, id: id}, settled: make(chan struct{})}
}

// append adds a line, read at the given time. The caller holds the lock, which is
// let go of while the spool is full; the line is taken nevertheless.
func (j *journal) append(stream hodei.Stream, at time.Time, line []byte, partial bool) {
	if j.add(stream, at, line, partial) {
		j.mu.Unlock()
		j.spool.await(&j.dropped)
		j.mu.Lock()
	}
}

// add reports whether the line completed a chunk.
func (j *journal) add(stream hodei.Stream, at time.Time, line []byte, partial bool) (cut bool) {
	if j.closed || j.dropped.Load() {
		return false
	}
	if at.After(j.stampAt) { // two readers may swap by a hair; lines never do
		j.stampAt = at
		j.stamp = at.UTC().AppendFormat(j.stamp[:0], time.RFC3339Nano)
		j.head = j.head[:0]
	}
	if len(j.head) == 0 || j.headOf != stream {
		j.head, j.headOf = appendHead(j.head[:0], j.stamp, stream), stream
	}
	j.count++
	mark := len(j.open)
	j.open = appendLine(j.open, j.head, line, j.count, partial)
	j.digest = hodei.AddDigest(j.digest, j.open[mark:])
	j.open = append(j.open, '\n')
	lines, size := j.bounds()
	if mark > 0 && len(j.open) > size {
		tail := bytes.Clone(j.open[mark:])
		j.open = j.open[:mark]
		j.seal(j.count - 1)
		j.open, mark, cut = append(j.open, tail...), 0, true
	}
	if j.openLines++; mark == 0 {
		j.begin(at)
	}
	if j.openLines >= lines || len(j.open) >= size {
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
		j.linger = time.AfterFunc(j.patience(), j.wake)
	} else {
		j.linger.Reset(j.patience())
	}
}

// bounds are at how many lines or bytes a chunk is cut.
func (j *journal) bounds() (lines, size int) {
	if j.flooded {
		return floodLines, floodBytes
	}
	return chunkLines, chunkBytes
}

// patience is the time that a chunk has.
func (j *journal) patience() time.Duration {
	if j.flooded {
		return floodLinger
	}
	return chunkLinger
}

// seal cuts the open lines, of which last is the last, into a chunk.
func (j *journal) seal(last int64) {
	c := &chunk{first: last - int64(j.openLines) + 1, last: last, pause: resendFirst}
	if j.flooded {
		c.text = packed.Pack(j.open)
	}
	if c.text.Size == 0 {
		c.text.Lines = bytes.Clone(j.open)
	}
	c.size = len(c.text.Lines)
	j.keep(c)
	j.waiting = append(j.waiting, c)
	j.flooded = j.flooded || len(j.open) >= chunkBytes/4 && j.spool.held() >= flood
	j.open, j.openLines = j.open[:0], 0
}

// keep holds the chunk in memory, or on disk when memory is full.
func (j *journal) keep(c *chunk) {
	if j.spool.take(c.size) {
		return
	}
	if err := j.file.append(c); err != nil {
		j.log.Error("log chunk not spilled to disk", "execution_id", j.id, "err", err)
		j.spool.insist(c.size)
		return
	}
	j.spool.spilled(c.size)
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
	j.inflight, j.waiting, j.sent = nil, nil, 0
	j.spool.release(0, 0) // whoever waits for room need not
	j.settle()
}
