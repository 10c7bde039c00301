package joblog

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/logchunk"
	"github.com/hodei-jobs/hodei/worker/joblog/mask"
)

// A chunk is cut at this size, or this long after its first line, whichever is
// first: after chunkLinger, or, while earlier chunks are not confirmed, after
// floodLinger, because a small chunk costs almost as much as a large one. While no
// chunk may be sent, because the record lags behind, only the size counts. zstd
// compresses up to 128 KiB as one block, and the last line of a chunk may be long.
const (
	ChunkBytes  = 120 << 10
	chunkLinger = 5 * time.Millisecond
	floodLinger = 25 * time.Millisecond
)

// Send publishes a chunk without waiting for anything; it fails while disconnected.
type Send func(id hodei.ExecutionID, first, last int64, body logchunk.Body) error

// Journal is the log of one execution: it splits the output into lines, numbers them,
// cuts them into chunks, sends these in order, and keeps each chunk until it is
// confirmed. A chunk once cut never changes. Its methods may be called concurrently.
type Journal struct {
	id    hodei.ExecutionID
	spool *Spool
	log   *slog.Logger
	send  Send

	mu        sync.Mutex
	secrets   *mask.Set
	added     int // bytes of the values that the output added to secrets
	outputs   map[hodei.Stream]*output
	limit     limited
	at        time.Time // of the latest line
	head      []byte    // of the lines being appended, see appendHead
	count     int64
	digest    logchunk.Digest
	open      []byte // NDJSON of the lines that are not in a chunk yet
	openLines int
	opened    time.Time
	linger    *time.Timer
	inflight  []*chunk // sent at least once, in order, at most window
	sent      int      // their bytes
	waiting   []*chunk // not sent yet, in order
	file      spoolFile
	closed    bool
	dropped   atomic.Bool
	settled   chan struct{} // closed when the journal is closed and empty
}

// New returns the log of an execution that has printed nothing yet. It masks the values
// in secrets, and adds to them those that the output announces.
func New(id hodei.ExecutionID, s *Spool, log *slog.Logger, limit Limit, secrets *mask.Set, send Send) *Journal {
	j := &Journal{
		id: id, spool: s, log: log, send: send, limit: limited{Limit: limit}, secrets: secrets,
		file: spoolFile{dir: s.dir, id: id}, settled: make(chan struct{}),
	}
	j.outputs = map[hodei.Stream]*output{hodei.Stdout: newOutput(j, hodei.Stdout), hodei.Stderr: newOutput(j, hodei.Stderr)}
	return j
}

// Append adds output of the command, read at the given time. It returns when
// the spool has room for more.
func (j *Journal) Append(stream hodei.Stream, at time.Time, p []byte) {
	if j.splitting(j.outputs[stream], at, func(o *output) { o.write(p) }) {
		j.spool.await(&j.dropped)
	}
}

// End adds the rest of a stream that has no line end.
func (j *Journal) End(stream hodei.Stream, at time.Time) {
	j.splitting(j.outputs[stream], at, (*output).close)
}

// Note adds a line of Hodei.
func (j *Journal) Note(text string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.note(text)
	j.pump()
}

// splitting reports whether a chunk was cut during split.
func (j *Journal) splitting(o *output, at time.Time, split func(*output)) (cut bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	chunks := len(j.waiting)
	j.begin(o.stream, at)
	split(o)
	cut = len(j.waiting) > chunks
	j.pump()
	return cut
}

// begin sets the stream and the time of the lines that follow. Two readers may take
// the time in another order than the lock; the times of lines never decrease.
func (j *Journal) begin(stream hodei.Stream, at time.Time) {
	if at.After(j.at) {
		j.at = at
	}
	j.head = appendHead(j.head[:0], j.at, stream)
}

func (j *Journal) note(text string) {
	j.begin(hodei.Stderr, time.Now())
	j.add([]byte(j.secrets.Mask(text)), false)
}

// add adds a line to the open chunk, and cuts the chunk when it is full.
func (j *Journal) add(line []byte, partial bool) {
	if j.closed || j.dropped.Load() {
		return
	}
	if j.openLines == 0 {
		j.startLinger()
	}
	j.count++
	j.openLines++
	j.open = appendTail(appendText(append(j.open, j.head...), line), j.count, partial)
	if len(j.open) >= ChunkBytes {
		j.cut()
	}
}

// startLinger counts from now, not from the time the first line was read: with
// many outputs on one processor that may be a while ago, and the chunk would be
// cut at once.
func (j *Journal) startLinger() {
	j.opened = time.Now()
	if j.linger == nil {
		j.linger = time.AfterFunc(chunkLinger, j.wake)
	} else {
		j.linger.Reset(chunkLinger)
	}
}

// cut makes a chunk of the open lines.
func (j *Journal) cut() {
	c := &chunk{first: j.count - int64(j.openLines) + 1, last: j.count, body: logchunk.Compress(j.open), pause: resendFirst}
	c.size = len(c.body.Lines)
	j.digest.Add(c.body)
	j.keep(c)
	j.waiting = append(j.waiting, c)
	j.open, j.openLines = j.open[:0], 0
}

// keep stores the chunk in memory, or on disk if memory is full.
func (j *Journal) keep(c *chunk) {
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

// Settled is closed once the log is closed and no chunk is left.
func (j *Journal) Settled() <-chan struct{} { return j.settled }

// Close ends the log and returns the number of its lines and their digest. The chunks
// that are not confirmed yet are sent until they are; then Settled closes.
func (j *Journal) Close() (count, digest int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.linger != nil {
		j.linger.Stop()
	}
	for _, o := range j.outputs {
		o.stop()
	}
	j.noteDropped()
	j.closed = true
	if j.openLines > 0 {
		j.cut() // the digest is that of chunks
	}
	j.pump()
	j.settle()
	return j.count, int64(j.digest)
}

// Drop deletes everything, and accepts no more.
func (j *Journal) Drop() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.dropped.Store(true)
	j.open, j.openLines = nil, 0
	for _, c := range append(j.inflight, j.waiting...) {
		j.release(c)
	}
	j.inflight, j.waiting, j.sent = nil, nil, 0
	j.spool.release(0, 0) // Append must not wait for room any more
	j.settle()
}
