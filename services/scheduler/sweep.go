package scheduler

import (
	"context"
	"errors"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/postgres"
	"github.com/hodei-jobs/hodei/schemas"
)

const (
	// sweepPage is how many executions a sweep reads, the head of the record's queue.
	// If half of them have left the queue, and there are more, the next sweep comes at once.
	sweepPage = 4000
	// wholeEvery is how often a sweep reads on to the limit of the queue while more than
	// sweepPage executions wait. Reading 100,000 takes a second.
	wholeEvery = time.Minute
)

// adopt queues an execution that no request waits for, unless it is queued already. If the
// queue is full, a later sweep adopts it.
func (s *Scheduler) adopt(id hodei.ExecutionID, priority int, needs hodei.Requirements, notBefore *time.Time) (adopted bool) {
	if s.queue.len() >= s.cfg.MaxQueue {
		s.more.Store(true)
		s.announceFull()
		return false
	}
	e := newEntry(id, priority, needs, notBefore)
	queued, err := s.queue.push(e)
	if errors.Is(err, hodei.Invalid) { // Postgres checks the priority, so the schema has changed
		s.log.Error("pending execution not adopted", "execution_id", id, "err", err)
	}
	return queued == e
}

// announceFull announces a full queue to the orchestrators, which then refuse executions for
// QueueFullFor. It limits the rate of announcements.
func (s *Scheduler) announceFull() {
	now, last := time.Now().UnixNano(), s.fullAt.Load()
	if now-last < int64(schemas.QueueFullFor/4) || !s.fullAt.CompareAndSwap(last, now) {
		return
	}
	if err := s.nc.Publish(schemas.QueueFullSubject, nil); err != nil { // repeated with the next execution
		s.log.Warn("full queue not announced", "err", err)
	}
}

// sweep queues pending executions of the record: at the start of a term all of them, later
// those whose created event was lost or that did not fit. It also wakes the dispatcher, in
// case a wake was lost.
func (s *Scheduler) sweep(ctx context.Context) error {
	tick := time.NewTicker(s.cfg.Sweep)
	defer tick.Stop()
	var whole time.Time
	for {
		adopted, err := s.adoptPending(ctx, &whole)
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

// adoptPending queues the head of the record's queue. If no worker can run what is there, the head
// stays as it is, so adoptPending reads on to the limit of the queue at the start of a term,
// and again once whole, the time when it last did, is wholeEvery ago.
func (s *Scheduler) adoptPending(ctx context.Context, whole *time.Time) (adopted int, err error) {
	adopted, err = s.adoptHead(ctx, sweepPage)
	if err != nil || !s.more.Load() || s.queue.len() >= s.cfg.MaxQueue || time.Since(*whole) < wholeEvery {
		return adopted, err
	}
	behind, err := s.adoptHead(ctx, s.cfg.MaxQueue)
	if err == nil {
		*whole = time.Now()
	}
	return adopted + behind, err
}

// adoptHead queues the first limit executions of the record's queue.
func (s *Scheduler) adoptHead(ctx context.Context, limit int) (adopted int, err error) {
	found := 0
	err = s.db.EachWaiting(ctx, time.Now().Add(time.Minute), s.cfg.Ageing, limit, func(w postgres.Waiting) {
		found++
		if s.adopt(w.ID, w.Priority, w.Requirements, w.NotBefore) {
			adopted++
		}
	})
	if err == nil {
		s.more.Store(found == limit || s.queue.len() >= s.cfg.MaxQueue)
	}
	return adopted, err
}
