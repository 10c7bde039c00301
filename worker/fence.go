package worker

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/kv"
	"github.com/hodei-jobs/hodei/schemas"
)

// A run that would be started again elsewhere, were its worker declared lost,
// must be dead before that can be. The worker manager counts a worker's silence
// from when it received its last report, which is not before the worker sent it; so
// the worker counts from there, the contact, and is early. A run that nobody
// would start again has no fence and runs on through any silence.

// fenceMargin is how long before the manager may act everything is over, or a
// tenth of its patience if that is less: for the rates of two clocks, and for
// the kernel to end what was killed.
const fenceMargin = 2 * time.Second

// fence is when a run is ended: so long after the last contact.
type fence struct {
	term time.Duration // it is told to end
	kill time.Duration // it is killed
	reap time.Duration // the reaper kills it, if the worker has not
}

// newFence is the fence of a run whose worker is lost after such a silence,
// which is positive. At least two thirds of that pass before anything happens.
func newFence(lostAfter, grace time.Duration) fence {
	margin := min(lostAfter/10, fenceMargin)
	kill := lostAfter - margin
	return fence{term: kill - min(grace, kill/4), kill: kill, reap: lostAfter - margin/2}
}

// fenceOf is the fence that an offer asks for, nil for none.
func (w *Worker) fenceOf(req *schemas.ExecutionRequest) *fence {
	if req.LostAfterSeconds == nil {
		return nil
	}
	f := newFence(time.Duration(*req.LostAfterSeconds*float64(time.Second)), w.cfg.Grace)
	return &f
}

// uptime is a clock that nobody sets, that counts while the machine sleeps, and
// that is the same for every process of it.
func uptime() time.Duration {
	var now unix.Timespec
	if err := unix.ClockGettime(uptimeClock, &now); err != nil {
		panic(err) // the system has no such clock
	}
	return time.Duration(now.Nano())
}

// contact is when the worker sent the last report of which it knows that it arrived.
// Moments are of uptime.
type contact struct {
	sooner chan struct{} // one value: next has moved forward

	mu   sync.Mutex
	at   time.Duration
	next time.Duration // when the first run may be due, 0 for never
}

func (c *contact) last() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

// overdue reports whether the silence is too long for the fence already.
func (c *contact) overdue(f *fence) bool { return f != nil && uptime() >= c.last()+f.term }

// expect has the fences looked at when this one is due, unless they are before.
func (c *contact) expect(f *fence) {
	if f == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if due := c.at + f.term; c.next == 0 || due < c.next {
		c.next = due
		select {
		case c.sooner <- struct{}{}:
		default:
		}
	}
}

// heard notes that the report sent at the given moment has arrived. What was due
// before is ended nevertheless, for by then it may have been given up: so a
// worker that was paused learns of it.
func (w *Worker) heard(sent time.Duration) {
	w.enforce()
	w.contact.mu.Lock()
	w.contact.at = max(w.contact.at, sent)
	w.contact.mu.Unlock()
	w.reaper.touch(sent)
}

// keepFences ends runs whose fence has come, until ctx is done. A contact moves
// fences away, but no timer: that fires in vain and is set anew, once in the
// time of a fence.
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
			timer.Reset(next - uptime())
		}
	}
}

// enforce ends the runs whose fence has come, and sets when to look again.
func (w *Worker) enforce() {
	w.contact.mu.Lock()
	contact := w.contact.at
	w.contact.next = 0 // whoever begins from here on says so
	w.contact.mu.Unlock()
	for _, r := range w.slots.all() {
		if r.fence == nil || r.process.isOver() {
			continue
		}
		if silence := uptime() - contact; silence < r.fence.term {
			w.contact.expect(r.fence)
		} else if r.process.end(hodei.ReasonWorkerLost, time.Now().Add(r.fence.kill-silence)) {
			w.log.Warn("too long without contact: ending what may be started elsewhere", "execution_id", r.req.ExecutionID)
		}
	}
}

// renewal is how often the key is renewed: often enough that a fence never
// comes near while all is well.
func (w *Worker) renewal() time.Duration {
	every := kv.Renew
	for _, r := range w.slots.all() {
		if r.fence != nil {
			every = min(every, r.fence.term/6)
		}
	}
	return max(every, 2*announceGap)
}
