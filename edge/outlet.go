package edge

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/client"
	"github.com/hodei-jobs/hodei/internal/packed"
	"github.com/hodei-jobs/hodei/schemas"
)

const (
	// writeTimeout is how long a client may leave what it was sent unread.
	writeTimeout = 10 * time.Second
	// flushSize is the number of bytes that are written at the latest.
	flushSize = 256 << 10
)

// outlet writes the lines that one client wants.
type outlet struct {
	format
	want      selection
	w         http.ResponseWriter
	conn      *http.ResponseController
	keepAlive time.Duration

	written int // lines, of which so many are counted in sent
	counted int
	sent    prometheus.Counter
	buf     []byte
	joined  []byte // what the feed joins lines in
	flushed time.Time
}

func newOutlet(w http.ResponseWriter, f format, want selection, keepAlive time.Duration, sent prometheus.Counter) *outlet {
	w.Header().Set("Content-Type", f.contentType())
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no") // a proxy's buffer would hold lines back
	return &outlet{
		format: f, want: want, w: w, conn: http.NewResponseController(w), keepAlive: keepAlive, sent: sent,
	}
}

// copy writes lines until the end, and that, or until the client is gone, ctx
// done, or the feed stopped.
func (o *outlet) copy(ctx context.Context, feed *client.Feed, now schemas.LogEnd) error {
	next := o.want.after + 1
	if o.want.after < 0 {
		if next = o.want.From(now.LogCount); next > now.LogCount && next > 1 {
			o.buf = o.at(o.buf, next-1) // so that whoever comes back misses nothing
		}
	}
	if err := o.flush(); err != nil {
		return err
	}
	for o.want.Follow || next <= now.LogCount {
		batch, err := o.read(ctx, feed, next)
		if err != nil {
			return err
		}
		if batch.End != nil {
			now = *batch.End
			break
		}
		if !o.want.Follow {
			batch.Last = min(batch.Last, now.LogCount)
		}
		if full, err := o.lines(batch); err != nil {
			return err
		} else if full {
			break
		}
		next = batch.Last + 1
	}
	o.buf = o.end(o.buf, now)
	return o.flush()
}

// read waits for lines and keeps the connection alive meanwhile.
func (o *outlet) read(ctx context.Context, feed *client.Feed, next int64) (client.Batch, error) {
	for {
		wait, cancel := context.WithTimeout(ctx, o.keepAlive)
		batch, err := feed.Read(wait, next, &o.joined)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
			return batch, err
		}
		o.buf = o.idle(o.buf)
		if err := o.flush(); err != nil {
			return client.Batch{}, err
		}
	}
}

// lines writes a batch. It is full when the client has all it asked for.
func (o *outlet) lines(batch client.Batch) (full bool, err error) {
	for line := range batch.Lines.All(batch.First) {
		if line.Sequence > batch.Last {
			break
		}
		if err := o.add(line); err != nil {
			return false, err
		}
		if o.want.Limit > 0 && o.written == o.want.Limit {
			return true, nil
		}
	}
	if len(o.buf) == 0 && time.Since(o.flushed) < o.keepAlive {
		return false, nil // nothing of it was wanted
	}
	if len(o.buf) == 0 {
		o.buf = o.idle(o.buf)
	}
	return false, o.flush()
}

func (o *outlet) add(line *packed.Line) error {
	if !o.want.filter.IsZero() {
		if !o.want.filter.Match(hodei.ReadLogLine(line.JSON(), line.Sequence)) {
			return nil
		}
	}
	o.buf = o.line(o.buf, line)
	o.written++
	if len(o.buf) >= flushSize {
		return o.flush()
	}
	return nil
}

// flush sends what is in the buffer, and the headers with the first.
func (o *outlet) flush() error {
	o.flushed = time.Now()
	_ = o.conn.SetWriteDeadline(o.flushed.Add(writeTimeout)) // only where the connection has one
	if len(o.buf) > 0 {
		if _, err := o.w.Write(o.buf); err != nil {
			return err
		}
		o.buf = o.buf[:0]
		o.sent.Add(float64(o.written - o.counted))
		o.counted = o.written
	}
	return o.conn.Flush()
}

// close leaves the connection fit for another request.
func (o *outlet) close() { _ = o.conn.SetWriteDeadline(time.Time{}) }
