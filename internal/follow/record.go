package follow

import (
	"context"
	"fmt"
	"math"

	"github.com/hodei-jobs/hodei/internal/logchunk"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
)

// patience is how often the record is read for a line of an execution whose end
// an event has announced, but the record has not, before the line counts as
// lost; about two seconds. A record that has the end has all lines.
const patience = 6

// history reads from the record. ok is false if the record does not have the
// line, or cannot be read, for the moment.
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
		last = log.LogCount // lines of a lost worker that arrived later are not part of the log
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

// recorded requests want lines of the record, once for all readers that want
// the same.
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

// consecutive returns the chunks up to the first gap between them, without
// lines before next or after last.
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

// look reads the progress of the execution from the record.
func (f *Feed) look(ctx context.Context) error {
	_, err := f.ask(ctx, 1, 0)
	return err
}

// ask reads the progress of the execution and want lines from the record.
func (f *Feed) ask(ctx context.Context, next int64, want int) (schemas.RecordedLog, error) {
	log, err := rpc.Call(ctx, f.cfg.NATS, schemas.ReadLogs, schemas.ReadLogsRequest{ID: f.cfg.ID, After: next - 1, Limit: want})
	if err == nil {
		f.store(log)
	}
	return log, err
}

// store adds an answer of the record to the feed: the progress of the execution, and the
// lines after the newest one in the ring, for all readers. Lines of a lost
// worker after the end are not part of the log.
func (f *Feed) store(log schemas.RecordedLog) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.runsOn(log.WorkerID, log.Status)
	for _, c := range log.Chunks {
		if c.First > f.ring.newest() && (!log.Status.Ended() || c.Last <= log.LogCount) {
			f.ring.add(newChunk(c.First, c.Last, logchunk.Body{Lines: c.Lines, Size: c.Size}))
		}
	}
	f.setProgress(log.LogEnd)
}
