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

// held is one assignment in the record.
type held struct {
	execution   hodei.ExecutionID
	worker      hodei.WorkerID
	incarnation string
	scheduledAt int64
}

// reconciler is the state between passes. Times are those of the local clock,
// which may differ from that of Postgres.
type reconciler struct {
	*Manager
	seen   map[held]time.Time // when an assignment was first seen
	strays map[held]bool      // held by a worker, but not in the record
	passed time.Time          // start of the last pass
	// ahead are the recorded revisions of the workers whose report differed
	// from the record at the last pass.
	ahead map[hodei.WorkerID]int64
}

// keepReconciled compares the workers' reports with the record at intervals,
// and processes changed reports at once. It returns when ctx is done.
func (m *Manager) keepReconciled(ctx context.Context) error {
	r := &reconciler{Manager: m}
	tick := time.NewTicker(m.cfg.Reconcile)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-m.fleet.news:
			for _, w := range m.fleet.takeNews() {
				m.follow(ctx, w, false)
			}
		case <-tick.C:
			if err := r.pass(ctx); err != nil && ctx.Err() == nil {
				m.log.WarnContext(ctx, "reconcile failed", "err", err)
			}
		}
	}
}

// pass declares silent workers lost and settles executions for which the record
// and the worker's report differ. Several instances may run it at once: each
// step is a guarded change.
func (r *reconciler) pass(ctx context.Context) error {
	// Judge silence as of now, when this instance is known to receive reports.
	// The process may be suspended between any two steps, and then it has
	// received nothing since.
	at, last := time.Now(), r.passed
	if !r.checkReceiving() {
		r.log.DebugContext(ctx, "reports may not arrive, no worker is declared lost")
		r.fleet.setWatched(r.fleet.isWatched(), time.Now())
		return nil
	}
	asOf, err := r.db.Now(ctx)
	if err != nil {
		return err
	}
	// Snapshot the workers first: an assignment is committed before the worker
	// reports it, so a later read of the record includes it.
	reporting := r.fleet.reporting()
	members, err := r.recallMembers(ctx)
	if err != nil {
		return err
	}
	r.followAll(ctx, reporting, members, last)
	r.probeOverdue(ctx)
	for _, w := range r.fleet.overdue(at.Add(-r.cfg.LostAfter)) {
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
	stops := interrupts{}
	r.settleAll(ctx, running, stops)
	r.stopStrays(reporting, running, stops)
	r.interruptAll(ctx, stops)
	return nil
}

// interrupts are those that a pass sends to each worker.
type interrupts map[hodei.WorkerID][]schemas.InterruptRequest

func (i interrupts) add(worker hodei.WorkerID, id hodei.ExecutionID, reason hodei.Reason) {
	i[worker] = append(i[worker], schemas.InterruptRequest{ExecutionID: id, Reason: reason})
}

// interruptAll interrupts on all workers concurrently. After a pass that takes long, no
// worker is declared lost, so frozen workers must not add up.
func (r *reconciler) interruptAll(ctx context.Context, stops interrupts) {
	var sent errgroup.Group
	sent.SetLimit(probeMost)
	for worker, all := range stops {
		sent.Go(func() error {
			defer rpc.Recover(r.log, "interrupts")
			r.interrupt(ctx, worker, all...)
			return nil
		})
	}
	_ = sent.Wait() // no function returns an error
}

// followAll records the status of each worker whose report differs from the
// record. A recorded revision higher than any that the worker has sent since
// the last pass is not its own, and is replaced. So is a missing record.
func (r *reconciler) followAll(ctx context.Context, reporting []member, members map[hodei.WorkerID]postgres.Member, last time.Time) {
	ahead := map[hodei.WorkerID]int64{}
	for _, w := range reporting {
		m, ok := members[w.id]
		if ok && m.Cordoned != w.report.Cordoned {
			r.repeatCordon(ctx, w, m.Cordoned)
		}
		if ok && recordedStatus(m.Status) == recordedStatus(w.report.Status) {
			continue
		}
		revision, before := r.ahead[w.id]
		r.follow(ctx, w, before && revision == m.Revision && w.reportedAt.After(last))
		ahead[w.id] = m.Revision
	}
	r.ahead = ahead
}

// repeatCordon commands a worker whose report differs from the record: it was not
// connected as it was cordoned or uncordoned. The command has the revision of the report,
// because a user may send the next command meanwhile, which this one must not undo.
func (r *reconciler) repeatCordon(ctx context.Context, w member, cordoned bool) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout) // one that is slow must not delay the pass
	defer cancel()
	command := cordonCommand(cordoned)
	command.Revision = &w.report.Revision
	report, err := rpc.CallWorker(ctx, r.nc, schemas.CommandWorker, w.id, command)
	if err != nil {
		r.log.DebugContext(ctx, "cordon not repeated", "worker_id", w.id, "cordoned", cordoned, "err", err)
		return
	}
	r.fleet.receive(report, true, time.Now())
}

const (
	probeTimeout = 2 * time.Second // how long a worker may take to answer the reconciler
	probeMost    = 32              // limit of concurrent requests
)

// probeOverdue requests a report from workers that have sent none for half of
// LostAfter: the storage of their keys may be full or unavailable while the
// workers are healthy. For a worker that does not answer, the count continues.
func (r *reconciler) probeOverdue(ctx context.Context) {
	var probes errgroup.Group
	probes.SetLimit(probeMost)
	for _, w := range r.fleet.overdue(time.Now().Add(-r.cfg.LostAfter / 2)) {
		probes.Go(func() error {
			defer rpc.Recover(r.log, "probe of a worker")
			ctx, cancel := context.WithTimeout(ctx, probeTimeout)
			defer cancel()
			report, err := rpc.CallWorker(ctx, r.nc, schemas.GetWorkerStatus, w.id, schemas.Empty{})
			if err == nil && report.WorkerID == w.id && report.Validate() == nil {
				r.fleet.receive(report, true, time.Now())
			}
			return nil
		})
	}
	_ = probes.Wait() // no function returns an error
}

// roundTrip is how long NATS may take to answer a check that reports can
// arrive.
const roundTrip = 2 * time.Second

// checkReceiving reports whether this instance would have received a report: it was
// not suspended, as a stopped process is, and everything that NATS had sent
// before the check has arrived. A connection alone does not prove that.
func (r *reconciler) checkReceiving() bool {
	slept := !r.passed.IsZero() && time.Since(r.passed) > r.cfg.LostAfter/2
	r.passed = time.Now()
	return !slept && r.nc.IsConnected() && r.fleet.isWatched() && r.nc.FlushTimeout(roundTrip) == nil
}

// recallMembers adds the active workers of the record, so that a missing one is
// declared lost.
func (m *Manager) recallMembers(ctx context.Context) (map[hodei.WorkerID]postgres.Member, error) {
	list, err := m.db.ListMembers(ctx)
	members := make(map[hodei.WorkerID]postgres.Member, len(list))
	for _, w := range list {
		members[w.ID] = w
		m.fleet.expect(w.ID, w.Incarnation, time.Now())
	}
	return members, err
}

// follow records the status that a worker reports. A worker that reports after
// it was recorded as OFFLINE is back, and receives an interrupt for executions
// that have ended meanwhile. A worker that was terminated while it was not
// connected receives the command. With anew, a later recorded revision does not
// count.
func (m *Manager) follow(ctx context.Context, w member, anew bool) {
	reportedAt := w.reportedAt.UTC()
	before, err := m.db.FollowWorker(ctx, postgres.Following{
		ID: w.id, Incarnation: w.incarnation, Status: recordedStatus(w.report.Status), Revision: w.report.Revision, ReceivedAt: &reportedAt, Back: w.back, Anew: anew,
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
	case err != nil: // the next pass retries
	case row.Status == hodei.WorkerOffline:
		m.fleet.putOff(w.id)
	case row.Status == hodei.WorkerTerminated && w.back: // not while it is leaving
		m.terminateReturned(ctx, w.id)
	case row.Status == hodei.WorkerTerminated:
		m.fleet.putOff(w.id)
	}
}

// restore records a worker again that was deleted while it was not connected,
// or that is missing after a restored backup.
func (m *Manager) restore(ctx context.Context, w member) {
	if err := m.db.RestoreWorker(ctx, w.report, recordedStatus(w.report.Status)); err != nil {
		m.log.WarnContext(ctx, "worker not recorded again", "worker_id", w.id, "err", err)
		return
	}
	m.log.InfoContext(ctx, "worker recorded again: it is not in the record and renews its key", "worker_id", w.id)
}

// stopEnded makes a worker stop executions that have an end in the record.
func (m *Manager) stopEnded(ctx context.Context, w member) {
	var ended []schemas.InterruptRequest
	for _, id := range w.report.Running {
		e, err := m.db.GetExecution(ctx, id)
		if err == nil && (e.Status != hodei.Running || e.WorkerID == nil || *e.WorkerID != w.id) {
			ended = append(ended, schemas.InterruptRequest{ExecutionID: id, Reason: hodei.ReasonWorkerLost})
		}
	}
	m.interrupt(ctx, w.id, ended...)
}

// declareLost records that a worker is lost, with its executions as of a time
// of Postgres. Later assignments were accepted by a worker that reports.
func (m *Manager) declareLost(ctx context.Context, w member, asOf time.Time) error {
	var reportedAt *time.Time
	if !w.reportedAt.IsZero() {
		at := w.reportedAt.UTC()
		reportedAt = &at
	}
	missed, err := m.db.MissWorker(ctx, w.id, w.incarnation, reportedAt)
	if err != nil {
		return err
	}
	if missed {
		m.log.WarnContext(ctx, "worker lost", "worker_id", w.id, "silent_for", m.cfg.LostAfter)
	} else if row, err := m.db.GetWorker(ctx, w.id); err != nil && !errors.Is(err, hodei.NotFound) {
		return err
	} else if err == nil && row.Status != hodei.WorkerOffline && row.Status != hodei.WorkerTerminated {
		m.fleet.forget(w.id) // another incarnation has replaced it, with its own time
		return nil
	}
	if err := m.lose(ctx, w.id, w.incarnation, asOf); err != nil {
		return err
	}
	m.fleet.forget(w.id) // a later report is news
	return nil
}

// settleAll settles each execution that the record assigns to a worker, and adds to stops
// those that are to be cancelled.
func (r *reconciler) settleAll(ctx context.Context, running []postgres.Held, stops interrupts) {
	seen := make(map[held]time.Time, len(running))
	for _, h := range running {
		key := held{h.ID, h.WorkerID, h.WorkerIncarnation, h.ScheduledAt.UnixNano()}
		at, before := r.seen[key]
		if !before {
			at = time.Now()
		}
		seen[key] = at
		// Before the offer, the worker may have received a resume command.
		if err := r.settle(ctx, h, at.Add(3*r.cfg.OfferHolds), stops); err != nil && !errors.Is(err, hodei.Conflict) {
			r.log.WarnContext(ctx, "execution not settled", "execution_id", h.ID, "err", err)
		}
	}
	r.seen = seen
}

// settle compares one RUNNING execution with its worker's report. The offer has
// certainly ended at the time ended.
func (m *Manager) settle(ctx context.Context, h postgres.Held, ended time.Time, stops interrupts) error {
	w, known := m.fleet.get(h.WorkerID)
	same := w.incarnation == h.WorkerIncarnation
	switch {
	case !known:
		m.fleet.expect(h.WorkerID, h.WorkerIncarnation, time.Now()) // silent from now on, or reporting
		return nil
	case same && slices.Contains(w.report.Running, h.ID):
		if h.CancelRequestedAt != nil {
			stops.add(h.WorkerID, h.ID, hodei.ReasonCancelled)
		}
		return nil
	case !w.reportedAt.After(ended), !w.report.At.After(ended):
		return nil // its report may be older than the offer, although it arrived later
	case !same:
		return m.lose(ctx, h.WorkerID, h.WorkerIncarnation, always)
	case w.report.Status == hodei.WorkerTerminating:
		return nil // it may have given up reporting the end: the execution ends when the worker leaves or is lost
	}
	// The worker has reported after the deadline of the offer, by its own clock
	// too, with which it enforces the deadline, and does not hold the
	// execution: it has not accepted the offer and no longer may.
	e, err := m.db.GetExecution(ctx, h.ID)
	if err != nil || e.ScheduledAt == nil || !e.ScheduledAt.Equal(h.ScheduledAt) {
		return err // reassigned meanwhile
	}
	m.log.WarnContext(ctx, "execution queued again; its worker never had it", "execution_id", h.ID, "worker_id", h.WorkerID)
	return m.takeBack(ctx, e, nil)
}

// stopStrays adds to stops the executions that the record does not assign to their
// worker, if the last pass found the same: a worker releases executions that have
// just ended by itself.
func (r *reconciler) stopStrays(reporting []member, running []postgres.Held, stops interrupts) {
	given := make(map[held]bool, len(running))
	for _, h := range running {
		given[held{execution: h.ID, worker: h.WorkerID}] = true
	}
	strays := map[held]bool{}
	for _, w := range reporting {
		for _, id := range w.report.Running {
			key := held{execution: id, worker: w.id}
			if given[key] {
				continue
			}
			strays[key] = true
			if r.strays[key] {
				stops.add(w.id, id, hodei.ReasonWorkerLost)
			}
		}
	}
	r.strays = strays
}
