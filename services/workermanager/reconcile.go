package workermanager

import (
	"context"
	"errors"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/postgres"
	"github.com/hodei-jobs/hodei/schemas"
)

// held is one assignment as the record knows it.
type held struct {
	execution   hodei.ExecutionID
	worker      hodei.WorkerID
	incarnation string
	scheduledAt int64
}

// reconciler is what one pass leaves for the next. Times are this instance's
// own, because its clock need not agree with that of Postgres.
type reconciler struct {
	*Manager
	seen   map[held]time.Time // when an assignment was first seen
	strays map[held]bool      // held by a worker, but not by the record
	passed time.Time          // when the last pass began
	// ahead are the recorded revisions of the workers whose report differed from the
	// record at the last pass.
	ahead map[hodei.WorkerID]int64
}

// keepReconciled compares what workers say with the record, at intervals, and
// takes in at once what is new. It returns when ctx is done.
func (m *Manager) keepReconciled(ctx context.Context) error {
	r := &reconciler{Manager: m}
	tick := time.NewTicker(m.cfg.Reconcile)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-m.fleet.news:
			for _, w := range m.fleet.changed() {
				m.follow(ctx, w, false)
			}
		case <-tick.C:
			if err := r.pass(ctx); err != nil && ctx.Err() == nil {
				m.log.WarnContext(ctx, "reconcile failed", "err", err)
			}
		}
	}
}

// pass declares silent workers lost and settles executions of which the record
// and their worker say different things. Several instances may do it at once:
// each step is a guarded change.
func (r *reconciler) pass(ctx context.Context) error {
	// Silence is judged as of here, where this instance is known to hear: it may
	// be stopped between any two steps, and then it has heard nothing since.
	at, last := time.Now(), r.passed
	if !r.hearing() {
		r.log.DebugContext(ctx, "workers may speak unheard: nobody is missed yet")
		r.fleet.listen(r.fleet.isDeaf(), time.Now())
		return nil
	}
	asOf, err := r.db.Now(ctx)
	if err != nil {
		return err
	}
	// In this order: what a worker says it holds was given to it before, so the
	// record read after that knows of it.
	speaking := r.fleet.speaking()
	members, err := r.recallMembers(ctx)
	if err != nil {
		return err
	}
	r.followAll(ctx, speaking, members, last)
	r.askSilent(ctx)
	for _, w := range r.fleet.silent(at.Add(-r.cfg.LostAfter)) {
		if time.Since(at) > r.cfg.LostAfter/2 {
			break // it may be back by now
		}
		if err := r.declareLost(ctx, w, asOf); err != nil {
			return err
		}
	}
	running, err := r.db.ListHeld(ctx, time.Now().AddDate(1, 0, 0))
	if err != nil {
		return err
	}
	r.settleAll(ctx, running)
	r.stopStrays(ctx, speaking, running)
	return nil
}

// followAll records the status of each worker whose report differs from the
// record. A recorded revision higher than any that the worker has sent
// since the last pass is not its own: it is replaced. So is a missing record.
func (r *reconciler) followAll(ctx context.Context, speaking []member, members map[hodei.WorkerID]postgres.Member, last time.Time) {
	ahead := map[hodei.WorkerID]int64{}
	for _, w := range speaking {
		m, ok := members[w.id]
		if ok && recorded(m.Status) == recorded(w.report.Status) {
			continue
		}
		revision, before := r.ahead[w.id]
		r.follow(ctx, w, before && revision == m.Revision && w.heard.After(last))
		ahead[w.id] = m.Revision
	}
	r.ahead = ahead
}

const (
	askHolds = 2 * time.Second // how long a silent worker may take to answer
	askMost  = 32              // how many are asked at once
)

// askSilent asks workers for a report that have not sent one for half the
// time after which they are lost: what stores their keys may be full, or away,
// while they are well. Who does not answer is counted on.
func (r *reconciler) askSilent(ctx context.Context) {
	var asked errgroup.Group
	asked.SetLimit(askMost)
	for _, w := range r.fleet.silent(time.Now().Add(-r.cfg.LostAfter / 2)) {
		asked.Go(func() error {
			defer rpc.Recover(r.log, "silent worker")
			ctx, cancel := context.WithTimeout(ctx, askHolds)
			defer cancel()
			report, err := rpc.CallWorker(ctx, r.nc, schemas.GetWorkerStatus, w.id, schemas.Empty{})
			if err == nil && report.WorkerID == w.id && report.Validate() == nil {
				r.fleet.hear(report, true, time.Now())
			}
			return nil
		})
	}
	_ = asked.Wait() // nobody returns an error
}

// roundTrip is how long NATS may take to answer those who claim to hear.
const roundTrip = 2 * time.Second

// hearing reports whether this instance would have heard a worker: it did not
// sleep, as a process does that was stopped, and what NATS had sent it before
// it was asked has arrived, which a connection alone does not mean.
func (r *reconciler) hearing() bool {
	slept := !r.passed.IsZero() && time.Since(r.passed) > r.cfg.LostAfter/2
	r.passed = time.Now()
	return !slept && r.nc.IsConnected() && !r.fleet.isDeaf() && r.nc.FlushTimeout(roundTrip) == nil
}

// recallMembers has the workers that the record thinks are there be missed if
// they are not.
func (m *Manager) recallMembers(ctx context.Context) (map[hodei.WorkerID]postgres.Member, error) {
	list, err := m.db.ListMembers(ctx)
	members := make(map[hodei.WorkerID]postgres.Member, len(list))
	for _, w := range list {
		members[w.ID] = w
		m.fleet.expect(w.ID, w.Incarnation, time.Now())
	}
	return members, err
}

// follow records the state that a worker gives itself. One that speaks after
// the record had it as OFFLINE is back, and told to stop what has ended
// meanwhile; one that was terminated while it was away is told so.
// With anew a later revision that is recorded does not count.
func (m *Manager) follow(ctx context.Context, w member, anew bool) {
	heard := w.heard.UTC()
	before, err := m.db.FollowWorker(ctx, postgres.Following{
		ID: w.id, Incarnation: w.incarnation, Status: recorded(w.report.Status), Revision: w.report.Revision, Heard: &heard, Back: w.back, Anew: anew,
	})
	switch {
	case err != nil:
		m.log.WarnContext(ctx, "worker's state not recorded", "worker_id", w.id, "status", w.report.Status, "err", err)
	case before == hodei.WorkerOffline:
		m.log.InfoContext(ctx, "worker is back", "worker_id", w.id)
		m.stopEnded(ctx, w)
	case before == "":
		m.unfollowed(ctx, w, anew)
	}
}

// unfollowed finds out why a worker's report changed nothing.
func (m *Manager) unfollowed(ctx context.Context, w member, anew bool) {
	row, err := m.db.GetWorker(ctx, w.id)
	switch {
	case errors.Is(err, hodei.NotFound) && anew:
		m.restore(ctx, w)
	case err != nil: // the next pass looks again
	case row.Status == hodei.WorkerOffline:
		m.fleet.putOff(w.id)
	case row.Status == hodei.WorkerTerminated && w.back: // not one that is just leaving
		m.terminateReturned(ctx, w.id)
	case row.Status == hodei.WorkerTerminated:
		m.fleet.putOff(w.id)
	}
}

// restore records a worker again that was deleted while it was not connected, or
// that a restored backup of the record does not have.
func (m *Manager) restore(ctx context.Context, w member) {
	if err := m.db.RestoreWorker(ctx, w.report, recorded(w.report.Status)); err != nil {
		m.log.WarnContext(ctx, "worker not recorded again", "worker_id", w.id, "err", err)
		return
	}
	m.log.InfoContext(ctx, "worker recorded again: it is not in the record and renews its key", "worker_id", w.id)
}

// stopEnded has a worker stop what it runs although the record has an end.
func (m *Manager) stopEnded(ctx context.Context, w member) {
	for _, id := range w.report.Running {
		e, err := m.db.GetExecution(ctx, id)
		if err == nil && (e.Status != hodei.Running || e.WorkerID == nil || *e.WorkerID != w.id) {
			m.interrupt(ctx, id, w.id, hodei.ReasonWorkerLost)
		}
	}
}

// declareLost records that a worker is gone, and with it what it ran as of a
// time of Postgres: what it is given later it was heard to accept.
func (m *Manager) declareLost(ctx context.Context, w member, asOf time.Time) error {
	var heard *time.Time
	if !w.heard.IsZero() {
		at := w.heard.UTC()
		heard = &at
	}
	missed, err := m.db.MissWorker(ctx, w.id, w.incarnation, heard)
	if err != nil {
		return err
	}
	if missed {
		m.log.WarnContext(ctx, "worker lost", "worker_id", w.id, "silent_for", m.cfg.LostAfter)
	} else if row, err := m.db.GetWorker(ctx, w.id); err != nil && !errors.Is(err, hodei.NotFound) {
		return err
	} else if err == nil && row.Status != hodei.WorkerOffline && row.Status != hodei.WorkerTerminated {
		m.fleet.forget(w.id) // another incarnation has taken its place, and has its own time
		return nil
	}
	if err := m.lose(ctx, w.id, w.incarnation, asOf); err != nil {
		return err
	}
	m.fleet.forget(w.id) // should it speak again, that is news
	return nil
}

// settleAll settles each execution that the record gives to a worker.
func (r *reconciler) settleAll(ctx context.Context, running []postgres.Held) {
	seen := make(map[held]time.Time, len(running))
	for _, h := range running {
		key := held{h.ID, h.WorkerID, h.WorkerIncarnation, h.ScheduledAt.UnixNano()}
		at, before := r.seen[key]
		if !before {
			at = time.Now()
		}
		seen[key] = at
		// Before the offer a worker may have been asked to take work again.
		if err := r.settle(ctx, h, at.Add(3*r.cfg.OfferHolds)); err != nil && !errors.Is(err, hodei.Conflict) {
			r.log.WarnContext(ctx, "execution not settled", "execution_id", h.ID, "err", err)
		}
	}
	r.seen = seen
}

// settle compares one RUNNING execution with its worker's own report. The offer
// has certainly ended at the time given.
func (m *Manager) settle(ctx context.Context, h postgres.Held, ended time.Time) error {
	w, known := m.fleet.get(h.WorkerID)
	same := w.incarnation == h.WorkerIncarnation
	switch {
	case !known:
		m.fleet.expect(h.WorkerID, h.WorkerIncarnation, time.Now()) // silent from now on, or heard
		return nil
	case same && slices.Contains(w.report.Running, h.ID):
		if h.CancelRequestedAt != nil {
			m.interrupt(ctx, h.ID, h.WorkerID, hodei.ReasonCancelled)
		}
		return nil
	case !w.heard.After(ended), !w.report.At.After(ended):
		return nil // its report may be older than the offer, though it may have come late
	case !same:
		return m.lose(ctx, h.WorkerID, h.WorkerIncarnation, always)
	}
	// It has spoken since the offer ended, by its own clock too, which is the
	// one that has it refuse, and does not hold it: it never took it, and may
	// not take it any more.
	e, err := m.db.GetExecution(ctx, h.ID)
	if err != nil || e.ScheduledAt == nil || !e.ScheduledAt.Equal(h.ScheduledAt) {
		return err // assigned anew meanwhile
	}
	m.log.WarnContext(ctx, "execution queued again; its worker never had it", "execution_id", h.ID, "worker_id", h.WorkerID)
	return m.takeBack(ctx, e, nil)
}

// stopStrays has workers stop what the record does not give them, if that was
// so at the last pass too: what has just ended they let go of by themselves.
func (r *reconciler) stopStrays(ctx context.Context, speaking []member, running []postgres.Held) {
	given := make(map[held]bool, len(running))
	for _, h := range running {
		given[held{execution: h.ID, worker: h.WorkerID}] = true
	}
	strays := map[held]bool{}
	for _, w := range speaking {
		for _, id := range w.report.Running {
			key := held{execution: id, worker: w.id}
			if given[key] {
				continue
			}
			strays[key] = true
			if r.strays[key] {
				r.interrupt(ctx, id, w.id, hodei.ReasonWorkerLost)
			}
		}
	}
	r.strays = strays
}
