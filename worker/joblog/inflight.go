package joblog

import (
	"slices"
	"time"
)

// The limits of an execution's chunks and bytes in flight (one chunk more is
// possible): sent and not acknowledged. They are low enough that many
// executions do not fill the memory of the worker managers, and high enough
// that one alone does not wait.
const (
	window      = 256
	windowBytes = 2 << 20
)

// An unacknowledged chunk is resent after resendFirst, then after twice as long
// each time, up to resendMost.
const (
	resendFirst = 2 * time.Second
	resendMost  = 15 * time.Second
)

// mostFailures is how often the record may refuse a chunk, or reading it back from the
// spool may fail, before the Journal gives it up.
const mostFailures = 3

// wake runs when the linger of the open chunk is over.
func (j *Journal) wake() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.pump()
	if age := time.Since(j.opened); j.openLines > 0 && age < floodLinger {
		j.linger.Reset(floodLinger - age)
	}
}

// lingers reports whether the open chunk waits for more lines.
func (j *Journal) lingers() bool {
	age := time.Since(j.opened)
	return !j.closed && (age < chunkLinger || age < floodLinger && len(j.inflight) > 0)
}

// pump sends chunks in order while the window has room, and cuts the open chunk when
// its linger is over.
func (j *Journal) pump() {
	for len(j.inflight) < window && j.sent < windowBytes && !j.dropped.Load() {
		if len(j.waiting) == 0 {
			if j.openLines == 0 || j.lingers() {
				return
			}
			j.cut()
		}
		c := j.waiting[0]
		if !j.transmit(c, time.Now()) {
			return
		}
		j.waiting[0], j.waiting = nil, j.waiting[1:]
		j.inflight = append(j.inflight, c)
		j.sent += c.size
	}
}

// transmit sends a chunk. It returns false while disconnected.
func (j *Journal) transmit(c *chunk, now time.Time) bool {
	body, err := j.file.read(c)
	if err != nil {
		c.failures++
		c.due = now
		j.log.Error("log chunk not read back", "execution_id", j.id, "first", c.first, "last", c.last, "err", err)
		return true
	}
	if j.send(j.id, c.first, c.last, body) != nil {
		return false // disconnected: the chunk is resent after the reconnect
	}
	c.due = now.Add(c.pause)
	return true
}

// Resend sends the chunks again whose confirmation is overdue, or, after a reconnect,
// all that are not confirmed.
func (j *Journal) Resend(now time.Time, all bool) {
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
	j.giveUp()
}

// Refuse notes that the record refused a chunk. It is sent again, because only
// the message may have been damaged, and then given up.
func (j *Journal) Refuse(first, last int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, c := range j.inflight {
		if c.first == first && c.last == last {
			c.failures++
			c.due = time.Time{}
		}
	}
	j.giveUp()
}

// giveUp deletes the chunks that failed too often, and goes on without them: the end of
// the execution must not wait for a chunk that the record never accepts.
func (j *Journal) giveUp() {
	j.inflight = slices.DeleteFunc(j.inflight, func(c *chunk) bool {
		if c.failures < mostFailures {
			return false
		}
		j.log.Error("log chunk dropped, its lines are lost", "execution_id", j.id, "first", c.first, "last", c.last)
		j.sent -= c.size
		j.release(c)
		return true
	})
	j.pump()
	j.settle()
}

// Unstored is the number of chunks that are neither confirmed nor given up.
func (j *Journal) Unstored() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.inflight) + len(j.waiting) + min(j.openLines, 1)
}

// Confirm deletes the chunk of exactly that span: the record has it.
func (j *Journal) Confirm(first, last int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for i, c := range j.inflight {
		if c.first == first && c.last == last {
			j.inflight = slices.Delete(j.inflight, i, i+1)
			j.sent -= c.size
			j.release(c)
			break
		}
	}
	j.pump()
	j.settle()
}

func (j *Journal) release(c *chunk) {
	if c.body.Lines != nil {
		j.spool.release(int64(c.size), 0)
		return
	}
	freed, err := j.file.done()
	if err != nil {
		j.log.Error("spool file not emptied", "execution_id", j.id, "err", err)
	}
	j.spool.release(0, freed)
}

// settle closes settled when the log is closed and no chunk is left.
func (j *Journal) settle() {
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
