package follow

import (
	"context"
	"fmt"
	"math"

	"github.com/hodei-jobs/hodei/internal/logchunk"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
)

// patience is how many times the record is asked for a line of an execution whose end
// an event has announced, but the record has not, before the line counts as lost;
// some two seconds. A record that has the end has all lines there will be.
const patience = 6

// history reads from the record. It is not ok when the record does not have
// the line, or cannot be asked, for the moment.
func (f *Feed) history(ctx context.Context, next int64, v view, asked int, room func() *[]byte) (Batch, bool, error) {
	log, err := f.recorded(ctx, next, v.want)
	switch {
	case ctx.Err() != nil:
		return Batch{}, false, ctx.Err()
	case err != nil && Final(err):
		return Batch{}, false, err
	case err != nil:
		f.cfg.Log.Debug("log record not read", "sequence", next, "err", err)
		return Batch{}, false, nil
	}
	last := int64(math.MaxInt64)
	if log.Status.Ended() {
		last = log.LogCount // what a lost worker said later is not of the log
	}
	gone := v.end != nil && (log.Status.Ended() || asked >= patience)
	run := consecutive(log.Chunks, next, last)
	if len(run) == 0 {
		return Batch{End: v.end}, gone, nil
	}
	batch, err := newBatch(run, room())
	if err != nil {
		return Batch{}, false, fmt.Errorf("read the log of %s: %w", f.cfg.ID, err)
	}
	return batch, batch.First == next || gone, nil
}

// recorded asks for so many lines of the record, once for all readers that want
// the same: those who wait for the next line go on together.
func (f *Feed) recorded(ctx context.Context, next int64, want int) (log schemas.RecordedLog, err error) {
	answered := f.asking.DoChan(fmt.Sprint(next, want), func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), api) // a request is lost with its connection
		defer cancel()
		leave, err := f.cfg.Shared.enter(ctx)
		if err != nil {
			return schemas.RecordedLog{}, err
		}
		defer leave()
		return f.ask(ctx, next, want)
	})
	select {
	case got := <-answered:
		log, _ = got.Val.(schemas.RecordedLog)
		return log, got.Err
	case <-ctx.Done():
		return log, ctx.Err()
	}
}

// consecutive is the chunks that come in order, up to the first line that is
// missing between them, less what is before next or after last.
func consecutive(kept []schemas.LogChunk, next, last int64) (run []chunk) {
	for _, k := range kept {
		if k.Last < next {
			continue
		}
		if k.First > last || len(run) > 0 && k.First > next {
			break
		}
		c := newChunk(k.First, k.Last, logchunk.Body{Lines: k.Lines, Size: k.Size}).between(next, last)
		run, next = append(run, c), c.last+1
	}
	return run
}

// look asks the record how far the execution is.
func (f *Feed) look(ctx context.Context) error {
	_, err := f.ask(ctx, 1, 0)
	return err
}

// ask asks the record how far the execution is, and for so many lines.
func (f *Feed) ask(ctx context.Context, next int64, want int) (schemas.RecordedLog, error) {
	log, err := rpc.Call(ctx, f.cfg.NATS, schemas.ReadLogs, schemas.ReadLogsRequest{ID: f.cfg.ID, After: next - 1, Limit: want})
	if err == nil {
		f.learn(log)
	}
	return log, err
}

// learn takes in what the record tells: how far the execution is, and the lines
// after the newest in the ring, for all readers. What a lost worker said after the
// end is not of the log.
func (f *Feed) learn(log schemas.RecordedLog) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range log.Chunks {
		if c.First > f.ring.newest() && (!log.Status.Ended() || c.Last <= log.LogCount) {
			f.ring.add(newChunk(c.First, c.Last, logchunk.Body{Lines: c.Lines, Size: c.Size}))
		}
	}
	f.tell(log.LogEnd)
}
