package scheduler

import (
	"context"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/services/scheduler/plan"
)

// sweepPage is how many executions are adopted at once. The rest stays in the
// record until half of them are gone: what waits for long need not be in
// everybody's memory.
const sweepPage = 4000

// adopt queues an execution that nobody waits for.
func (s *Scheduler) adopt(id hodei.ExecutionID, priority int, needs hodei.Requirements) bool {
	queued, err := s.queue.push(&entry{
		req: plan.Request{ID: id, Requirements: needs}, priority: priority, adopted: true, done: make(chan result, 1),
	})
	if err != nil { // Postgres checks the priority, so the schema has changed
		s.log.Error("pending execution not adopted", "execution_id", id, "err", err)
	}
	return queued
}

// sweep searches the record, at the start and then now and again, for
// executions that this instance has not queued: another one died with them, or
// they were never handed over, or did not fit. It also looks again at what is
// queued, should a wake have been lost.
func (s *Scheduler) sweep(ctx context.Context) error {
	tick := time.NewTicker(s.cfg.Sweep)
	defer tick.Stop()
	for {
		adopted, err := s.adoptPending(ctx)
		switch {
		case err != nil && ctx.Err() == nil:
			s.log.WarnContext(ctx, "sweep failed", "err", err)
		case adopted > 0:
			s.log.DebugContext(ctx, "pending executions adopted", "count", adopted)
		}
		s.queue.wake()
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-s.soon:
		}
	}
}

// adoptPending queues the head of the record's queue.
func (s *Scheduler) adoptPending(ctx context.Context) (adopted int, err error) {
	// The youngest are on their way from whoever made them.
	waiting, err := s.db.ListWaiting(ctx, time.Now().Add(-time.Second), s.cfg.Ageing, sweepPage)
	if err != nil {
		return 0, err
	}
	s.more.Store(len(waiting) == sweepPage)
	for _, w := range waiting {
		if s.adopt(w.ID, w.Priority, w.Requirements) {
			adopted++
		}
	}
	return adopted, nil
}

// sweepLater has the record searched in a second, because something was queued
// again: most likely by whoever tried to have it assigned and has it still. Those
// who took it at once as well tried to have it assigned a second time.
func (s *Scheduler) sweepLater() {
	if s.later.CompareAndSwap(false, true) {
		s.after(time.Second, func() {
			s.later.Store(false)
			s.sweepSoon()
		})
	}
}

// sweepSoon has the record searched before its time, because there is more in
// it than was adopted, and that is nearly gone.
func (s *Scheduler) sweepSoon() {
	select {
	case s.soon <- struct{}{}:
	default:
	}
}
