package worker

import (
	"context"
	"sync"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/kv"
	"github.com/hodei-jobs/hodei/schemas"
	"github.com/hodei-jobs/hodei/worker/reaper"
)

// An execution that would be started elsewhere after its worker is declared
// lost must be dead before that. The worker manager counts a worker's silence
// from the arrival of its last report, which is not before the worker sent it.
// The worker counts from the time it sent that report, the contact, and so is
// early. An execution that will not be restarted has no fence and continues
// during any silence.

// fenceMargin is how long before the manager's deadline everything must be
// dead, or a tenth of that deadline if it is less: for clock drift, and for the
// kernel to end killed processes.
const fenceMargin = 2 * time.Second

// fence is when an execution is stopped: times after the last contact.
type fence struct {
	term time.Duration // SIGTERM
	kill time.Duration // SIGKILL
	reap time.Duration // SIGKILL by the reaper, if the worker has not sent it
}

// reaping is when the reaper kills the execution, 0 for never.
func (f *fence) reaping() time.Duration {
	if f == nil {
		return 0
	}
	return f.reap
}

// newFence returns the fence of an execution whose worker is lost after this
// silence, which is positive. At least two thirds of it pass before anything
// happens.
func newFence(lostAfter, grace time.Duration) fence {
	margin := min(lostAfter/10, fenceMargin)
	kill := lostAfter - margin
	return fence{term: kill - min(grace, kill/4), kill: kill, reap: lostAfter - margin/2}
}

// fenceOf returns the fence for an offer, nil for none.
func (w *Worker) fenceOf(req *schemas.ExecutionRequest) *fence {
	if req.LostAfterSeconds == nil {
		return nil
	}
	f := newFence(time.Duration(*req.LostAfterSeconds*float64(time.Second)), w.cfg.Grace)
	return &f
}

// contact is when the worker sent the last report that is known to have
// arrived. Times are of reaper.Uptime.
type contact struct {
	sooner rpc.Signal // next has moved forward

	mu   sync.Mutex
	at   time.Duration
	next time.Duration // when the first execution may be due, 0 for never
}

func (c *contact) last() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

// overdue reports whether the silence already exceeds the fence.
func (c *contact) overdue(f *fence) bool { return f != nil && reaper.Uptime() >= c.last()+f.term }

// expect schedules a check for this fence, unless an earlier one is scheduled.
func (c *contact) expect(f *fence) {
	if f == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if due := c.at + f.term; c.next == 0 || due < c.next {
		c.next = due
		c.sooner.Set()
	}
}

// contacted records that the report sent at the given time has arrived. An
// execution that was due before is stopped nevertheless, because it may have
// been restarted elsewhere: a worker that was paused detects that here.
func (w *Worker) contacted(sent time.Duration) {
	w.enforce()
	w.contact.mu.Lock()
	w.contact.at = max(w.contact.at, sent)
	w.contact.mu.Unlock()
	w.reaper.Touch(sent)
}

// keepFences stops executions whose fence is due, until ctx is done. A contact
// postpones fences without changing the timer, which then fires once in vain
// and is reset.
func (w *Worker) keepFences(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			w.enforce()
		case <-w.contact.sooner:
		}
		w.contact.mu.Lock()
		next := w.contact.next
		w.contact.mu.Unlock()
		if timer.Stop(); next != 0 {
			timer.Reset(next - reaper.Uptime())
		}
	}
}

// enforce stops the executions whose fence is due, and schedules the next
// check.
func (w *Worker) enforce() {
	w.contact.mu.Lock()
	contact := w.contact.at
	w.contact.next = 0 // executions that start from now on schedule their own check
	w.contact.mu.Unlock()
	for _, r := range w.slots.all() {
		if r.fence == nil || r.isOver() {
			continue
		}
		if silence := reaper.Uptime() - contact; silence < r.fence.term {
			w.contact.expect(r.fence)
		} else if r.end(hodei.ReasonWorkerLost, time.Now().Add(r.fence.kill-silence)) {
			w.log.Warn("too long without contact, stopping restartable execution", "execution_id", r.req.ExecutionID)
		}
	}
}

// renewal is the interval of renewing the key: short enough that no fence
// becomes due while renewals arrive.
func (w *Worker) renewal() time.Duration {
	every := kv.Renew
	for _, r := range w.slots.all() {
		if r.fence != nil {
			every = min(every, r.fence.term/6)
		}
	}
	return max(every, 2*announceGap)
}
