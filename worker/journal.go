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
// whichever comes first; a last line that has to be escaped may exceed the bytes. One
// that cannot be sent yet is not cut by time: when the record lags behind, chunks
// grow instead of becoming many.
const (
	chunkLines  = 500
	chunkBytes  = 64 << 10
	chunkLinger = 5 * time.Millisecond
)

// A flood is when a worker's executions have said so many bytes more than is
// recorded, which is more than anybody reads along. Its chunks, those of
// executions that say much themselves, are packed once, which is small for all: for
// the spool, NATS, the window, the record and the followers; in runs, which are half
// of their NDJSON. They are larger and have longer, for each costs as much as the
// lines in it, and zstd packs up to 128 KiB at once. An execution is in the flood from
// when there is one and its last chunk had much in it, until neither is so.
const (
	flood       = 512 << 10
	little      = chunkBytes / 4 // less than much
	floodLines  = 4 * chunkLines
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

	mu        sync.Mutex
	limit     logLimit
	count     int64
	digest    hodei.Digest
	stamp     []byte // of the last line, as text
	stampAt   time.Time
	head      []byte // what it begins with
	headOf    hodei.Stream
	end       packed.End
	open      packed.Lines // lines not cut yet, in runs when flooded, else NDJSON
	openLines int
	openSize  int  // bytes of NDJSON
	headed    bool // the open run begins with head
	flooded   bool // it changes only where a chunk begins
	much      bool // was in the last chunk
	opened    time.Time
	linger    *time.Timer
	inflight  []*chunk // sent at least once, in order, at most window
	sent      int      // their bytes
	waiting   []*chunk // not sent yet, in order
	file      spoolFile
	closed    bool
	dropped   atomic.Bool
	settled   chan struct{} // closed once closed and nothing is kept
}

func newJournal(id hodei.ExecutionID, s *spool, log *slog.Logger, send func(hodei.ExecutionID, int64, int64, packed.Text) error) *journal {
	return &journal{
		id: id, spool: s, log: log, send: send, end: packed.NewEnd(),
		file: spoolFile{dir: s.dir, id: id}, settled: make(chan struct{}),
	}
}

// append adds a line, read at the given time. The caller holds the lock, which is
// let go of while the spool is full; the line is taken nevertheless.
func (j *journal) append(stream hodei.Stream, at time.Time, line []byte, partial bool) {
	if j.admit(at, line, partial) && j.add(stream, at, line, partial) {
		j.mu.Unlock()
		j.spool.await(&j.dropped)
		j.mu.Lock()
	}
}

// note adds a line of Hodei's own.
func (j *journal) note(text string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.add(hodei.Stderr, time.Now(), []byte(text), false)
}

// add reports whether the line completed a chunk. The caller holds the lock.
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
		j.head, j.headOf, j.headed = appendHead(j.head[:0], j.stamp, stream), stream, false
		j.digest.Begin(j.head)
	}
	if j.openLines > 0 && j.full(len(j.head)+len(line)+endRoom) {
		j.seal()
		cut = true
	}
	if j.openLines == 0 {
		j.begin()
	}
	j.count++
	j.openLines++
	j.encode(line, partial)
	if j.full(0) {
		j.seal()
		cut = true
	}
	if cut {
		j.pump()
	}
	return cut
}

// endRoom is what a line takes beside its beginning and its text, at most.
const endRoom = 64

// encode adds a line to the open ones, as one hodei.LogLine is written by
// encoding/json, but that it leaves <, > and & alone.
func (j *journal) encode(line []byte, partial bool) {
	switch {
	case !j.flooded:
		j.open = append(j.open, j.head...)
	case !j.headed:
		j.open, j.headed = packed.AppendHead(j.open, j.head), true
	}
	if j.flooded && partial {
		j.open = append(j.open, packed.Partial)
	}
	mark := len(j.open)
	j.open = appendText(j.open, line)
	text, end := j.open[mark:], j.end.Of(j.count, partial)
	j.digest.Add(text, end)
	j.openSize += len(j.head) + len(text) + len(end) + 1
	if !j.flooded {
		j.open = append(j.open, end...)
	}
	j.open = append(j.open, '\n')
}

// begin begins a chunk, and starts its clock. That its first line may have been read
// a while ago, by one of many who share a processor, is no reason to cut it at once.
func (j *journal) begin() {
	behind := j.spool.behind()
	j.flooded = j.much && behind || j.flooded && (j.much || behind)
	j.opened = time.Now()
	if j.linger == nil {
		j.linger = time.AfterFunc(j.patience(), j.wake)
	} else {
		j.linger.Reset(j.patience())
	}
}

// full reports whether the open chunk has no room for so many bytes more.
func (j *journal) full(more int) bool {
	lines, size := chunkLines, chunkBytes
	if j.flooded {
		lines, size = floodLines, floodBytes
	}
	return j.openLines >= lines || len(j.open)+more > size
}

// patience is the time that a chunk has.
func (j *journal) patience() time.Duration {
	if j.flooded {
		return floodLinger
	}
	return chunkLinger
}

// seal cuts the open lines into a chunk.
func (j *journal) seal() {
	c := &chunk{first: j.count - int64(j.openLines) + 1, last: j.count, pause: resendFirst}
	if j.flooded {
		c.text = j.open.Pack(c.first, j.openSize)
	} else {
		c.text.Lines = bytes.Clone(j.open)
	}
	c.size = len(c.text.Lines)
	j.keep(c)
	j.waiting = append(j.waiting, c)
	j.much = len(j.open) >= little
	j.open, j.openLines, j.openSize, j.headed = j.open[:0], 0, 0, false
}

// keep holds the chunk in memory, or on disk when memory is full.
func (j *journal) keep(c *chunk) {
	j.spool.unrecorded.Add(int64(c.said()))
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
	j.noteDropped()
	j.closed = true
	j.pump()
	j.settle()
	return j.count, j.digest.Sum
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
