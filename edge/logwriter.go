package edge

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/follow"
	"github.com/hodei-jobs/hodei/schemas"
)

// stallGrace is how long a stream keeps its room for a client that has fallen behind,
// instead of decompressing the same lines again.
const stallGrace = 10 * time.Millisecond

// logWriter writes the lines that one client requested.
type logWriter struct {
	*wire
	format
	want      selection
	keepAlive time.Duration
	rooms     rooms
	room      *room // nil while the logWriter waits
	sent      prometheus.Counter
	written   int // lines; those counted in sent so far
	counted   int
	flushed   time.Time
}

// copy writes lines until the end of the log, including the end event, or until
// the client leaves, ctx is done or the feed stops.
func (o *logWriter) copy(ctx context.Context, feed *follow.Feed, now schemas.LogEnd) error {
	var begin []byte
	next := o.want.after + 1
	if o.want.after < 0 {
		if next = o.want.From(now.LogCount); next > now.LogCount && next > 1 {
			begin = o.at(begin, next-1) // so that a client that reconnects misses nothing
		}
	}
	if err := o.control(begin); err != nil {
		return err
	}
	for o.want.Follow || next <= now.LogCount {
		batch, last, err := o.step(ctx, feed, next, now)
		if err != nil {
			return err
		}
		if batch.End != nil {
			now = *batch.End
			break
		}
		if o.want.Limit > 0 && o.written == o.want.Limit {
			break
		}
		next = last + 1
	}
	return o.control(o.end(nil, now))
}

// control sends bytes that are not lines.
func (o *logWriter) control(p []byte) error {
	o.flushed = time.Now()
	return o.send(p)
}

// step waits for lines, keeps the connection alive meanwhile, and writes as
// many as the client reads. It returns the last line of the batch.
func (o *logWriter) step(ctx context.Context, feed *follow.Feed, next int64, now schemas.LogEnd) (batch follow.Batch, last int64, err error) {
	if !o.ready(writeTimeout) {
		return batch, 0, errStalled
	}
	defer o.leave()
	wait, cancel := context.WithTimeout(ctx, o.keepAlive)
	batch, err = feed.Read(wait, next, o.enter)
	cancel()
	switch {
	case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
		return follow.Batch{}, next - 1, o.control(o.idle(nil))
	case err != nil || batch.End != nil:
		return batch, next - 1, err
	}
	if !o.want.Follow {
		batch.Last = min(batch.Last, now.LogCount)
	}
	o.enter()
	last, err = o.lines(batch)
	return batch, last, err
}

// enter acquires buffers when there is something to write.
func (o *logWriter) enter() *[]byte {
	if o.room == nil {
		o.room = o.rooms.take()
	}
	return &o.room.lines
}

func (o *logWriter) leave() {
	if o.room != nil {
		o.rooms.put(o.room)
		o.room = nil
	}
}

// lines writes a batch and stops early if the client falls behind. It returns
// the last line that is done.
func (o *logWriter) lines(batch follow.Batch) (last int64, err error) {
	for sequence, line := range batch.All() {
		if sequence > batch.Last {
			break
		}
		last = sequence
		if !o.wanted(sequence, line) {
			continue
		}
		o.room.buf = o.line(o.room.buf, sequence, line)
		if o.written++; o.written == o.want.Limit {
			break
		}
		if len(o.room.buf) < piece {
			continue
		}
		if len(o.room.buf) > 2*piece { // a long line of escapes: the write may block
			long := o.room.buf
			o.room.buf = nil
			o.leave()
			o.count()
			return last, o.send(long)
		}
		if err := o.empty(); err != nil {
			return last, err
		}
		if !o.ready(stallGrace) {
			return last, o.flush()
		}
	}
	if len(o.room.buf) == 0 && time.Since(o.flushed) < o.keepAlive {
		return batch.Last, nil // no line was requested
	}
	if len(o.room.buf) == 0 {
		o.room.buf = o.idle(o.room.buf)
	}
	if err := o.empty(); err != nil {
		return last, err
	}
	return batch.Last, o.flush()
}

func (o *logWriter) wanted(sequence int64, line []byte) bool {
	return o.want.filter.IsZero() || o.want.filter.Match(hodei.ReadLogLine(line, sequence))
}

// empty writes the buffered bytes.
func (o *logWriter) empty() error {
	o.flushed = time.Now()
	err := o.write(o.room.buf)
	o.room.buf = o.room.buf[:0]
	o.count()
	return err
}

func (o *logWriter) count() {
	o.sent.Add(float64(o.written - o.counted))
	o.counted = o.written
}
