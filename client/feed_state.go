package client

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
)

// message takes a chunk in. One that is not what its headers say is left to
// the record.
func (f *Feed) message(msg jetstream.Msg, since *time.Time) {
	if meta, err := msg.Metadata(); err == nil {
		*since = meta.Timestamp
		defer func() {
			if meta.NumPending == 0 {
				f.caughtUp()
			}
		}()
	}
	c := chunk{lines: msg.Data()}
	c.first, _ = strconv.ParseInt(msg.Headers().Get(schemas.HeaderFirst), 10, 64)
	c.last, _ = strconv.ParseInt(msg.Headers().Get(schemas.HeaderLast), 10, 64)
	if n := len(c.lines); n > 0 && c.lines[n-1] != '\n' {
		c.lines = append(c.lines[:n:n], '\n')
	}
	if c.first < 1 || c.last < c.first || int64(bytes.Count(c.lines, []byte{'\n'})) != c.last-c.first+1 {
		f.cfg.Log.Warn("log chunk passed over", "first", c.first, "last", c.last, "bytes", len(c.lines))
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	whole := f.ring.newest() <= f.head
	f.ring.add(c)
	f.head = f.ring.reach(f.head)
	if whole && f.ring.newest() > f.head {
		select {
		case f.holed <- struct{}{}:
		default:
		}
	}
	f.wake()
}

func (f *Feed) hasHole() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ring.newest() > f.head
}

// event takes in what was published of the execution.
func (f *Feed) event(msg *nats.Msg) {
	var event schemas.Event
	if err := json.Unmarshal(msg.Data, &event); err != nil || event.Execution.ID != f.cfg.ID {
		f.cfg.Log.Warn("event passed over", "subject", msg.Subject, "err", err)
		return
	}
	e := event.Execution
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tell(schemas.LogEnd{ExecutionID: e.ID, Status: e.Status, ExitCode: e.ExitCode, LogCount: e.LogCount})
}

// tell takes in how far the execution is; an end is final. The lock is held.
func (f *Feed) tell(now schemas.LogEnd) {
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

// stop tells the readers that nothing more will come, unless they have the end
// to read to.
func (f *Feed) stop(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.ended {
		f.err = err
		if err == nil {
			f.err = hodei.Errorf(hodei.Unavailable, "Following the log was stopped")
		}
	}
	f.caughtUp()
	f.wake()
}

// wake has every waiting reader look again. The lock is held.
func (f *Feed) wake() {
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *Feed) caughtUp() { f.load.Do(func() { close(f.loaded) }) }
