package follow

import (
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/logchunk"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
)

// message adds a chunk of the window, and returns how many follow it.
func (f *Feed) message(msg jetstream.Msg) (left uint64) {
	at := time.Now()
	if meta, err := msg.Metadata(); err == nil {
		at, left = meta.Timestamp, meta.NumPending
	}
	f.take(msg.Subject(), msg.Headers(), msg.Data(), at)
	return left
}

// lastTaken returns when the last known chunk was published.
func (f *Feed) lastTaken() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.taken
}

// take adds a chunk, published at the given time. It discards a chunk that
// differs from its headers: the record may have the lines. A damaged frame
// shows when it is read, see lose. A chunk of a worker that does not run the
// execution is discarded too, see source.
func (f *Feed) take(subject string, header nats.Header, data []byte, at time.Time) {
	first, _ := strconv.ParseInt(header.Get(schemas.HeaderFirst), 10, 64)
	last, _ := strconv.ParseInt(header.Get(schemas.HeaderLast), 10, 64)
	body, err := logchunk.Parse(data, header.Get(schemas.HeaderEncoding))
	c := newChunk(first, last, body)
	worker, _, unnamed := schemas.ParseLogSubject(subject)
	if err = errors.Join(err, unnamed); err != nil || first < 1 || last > hodei.MaxSequence || !c.plausible() {
		f.cfg.Log.Warn("log chunk discarded", "first", first, "last", last, "bytes", len(data), "err", err)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.source.admits(arrived{worker, c, at}) {
		f.add(c, at)
	}
}

// add adds a chunk of the worker of the execution. The caller holds the lock.
func (f *Feed) add(c chunk, at time.Time) {
	if at.After(f.taken) {
		f.taken = at
	}
	whole := f.ring.newest() <= f.head
	f.ring.add(c)
	f.head = f.ring.reach(f.head)
	if whole && f.ring.newest() > f.head {
		f.holed.Set()
	}
	f.wake()
}

// lose removes the chunk with the line, which is damaged: the record may have
// the lines.
func (f *Feed) lose(sequence int64, err error) {
	f.cfg.Log.Warn("log chunk discarded", "sequence", sequence, "err", err)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ring.lose(sequence)
}

func (f *Feed) hasHole() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ring.newest() > f.head
}

// event processes an event of the execution.
func (f *Feed) event(msg *nats.Msg) {
	var event schemas.Event
	if err := json.Unmarshal(msg.Data, &event); err != nil || event.Execution.ID != f.cfg.ID {
		f.cfg.Log.Warn("event ignored", "subject", msg.Subject, "err", err)
		return
	}
	e := event.Execution
	f.mu.Lock()
	defer f.mu.Unlock()
	f.runsOn(e.WorkerID, e.Status)
	f.setProgress(schemas.LogEnd{ExecutionID: e.ID, Status: e.Status, ExitCode: e.ExitCode, LogCount: e.LogCount})
}

// setProgress stores the progress of the execution; an end is final. The caller holds
// the lock.
func (f *Feed) setProgress(now schemas.LogEnd) {
	if f.ended {
		return
	}
	f.now = now
	f.head = f.ring.reach(max(f.head, now.LogCount))
	if now.Status.Ended() {
		f.ended = true
		close(f.over)
		f.caughtUp()
	}
	f.wake()
}

// stop ends the readers, unless the end is known and they can read up to it.
func (f *Feed) stop(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.ended {
		f.err = err
		if err == nil {
			f.err = hodei.Errorf(hodei.Unavailable, "Following the log was stopped")
		}
	}
	f.isFound()
	f.caughtUp()
	f.wake()
}

// wake wakes every waiting reader. The caller holds the lock.
func (f *Feed) wake() {
	close(f.changed)
	f.changed = make(chan struct{})
	for watch := range f.watches {
		watch.Set()
	}
}

// changes returns a channel that is closed at the next change.
func (f *Feed) changes() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.changed
}

// notify sets the signal at each change until stop is called. One signal may watch many feeds.
func (f *Feed) notify(on rpc.Signal) (stop func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.watches[on] = true
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.watches, on)
	}
}

func (f *Feed) isFound() { f.find.Do(func() { close(f.found) }) }

func (f *Feed) caughtUp() { f.load.Do(func() { close(f.loaded) }) }
