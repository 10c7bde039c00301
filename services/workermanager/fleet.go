package workermanager

import (
	"context"
	"sync"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/kv"
)

// member is this instance's knowledge of one worker.
type member struct {
	id          hodei.WorkerID
	incarnation string
	report      hodei.Availability // zero until its key is received
	leased      bool               // its key exists
	reportedAt  time.Time          // when a new report arrived, by the local clock; zero before
	since       time.Time          // when the count of its silence started
	latency     time.Duration      // smoothed time to accept
	news        bool               // its report has a different status than before
	off         bool               // recorded as OFFLINE or left; its next report corrects that
	back        bool               // it has reported since it was off
}

// fleet contains every worker that has reported to this instance or that the
// record lists.
type fleet struct {
	news chan struct{} // one value: some member has news

	mu      sync.Mutex
	members map[hodei.WorkerID]*member
	watched bool // the bucket is being watched
}

func newFleet() *fleet {
	return &fleet{news: make(chan struct{}, 1), members: map[hodei.WorkerID]*member{}}
}

// receive stores a worker's report. A report that was in the bucket when the watch
// started is not fresh: its worker may have died since.
func (f *fleet) receive(report hodei.Availability, fresh bool, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := f.members[report.WorkerID]
	if m == nil {
		m = &member{id: report.WorkerID}
		f.members[m.id] = m
	}
	changed := m.reportedAt.IsZero() || m.off || m.incarnation != report.Incarnation || recordedStatus(m.report.Status) != recordedStatus(report.Status)
	m.report, m.incarnation, m.leased, m.since = report, report.Incarnation, true, now
	if !fresh {
		return
	}
	m.reportedAt, m.back, m.off = now, m.off, false
	if changed {
		m.news = true
		select {
		case f.news <- struct{}{}:
		default:
		}
	}
}

// leaseExpired records that the worker's key expired. That alone means silence; only
// time decides whether the worker is lost.
func (f *fleet) leaseExpired(id hodei.WorkerID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if m := f.members[id]; m != nil {
		m.leased = false
	}
}

// recordedStatus converts a status to that of the record, in which BUSY and
// AVAILABLE are one.
func recordedStatus(status hodei.WorkerStatus) hodei.WorkerStatus {
	if status == hodei.WorkerBusy {
		return hodei.WorkerAvailable
	}
	return status
}

// expect adds a worker that should report from now on.
func (f *fleet) expect(id hodei.WorkerID, incarnation string, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.members[id] == nil {
		f.members[id] = &member{id: id, incarnation: incarnation, since: now}
	}
}

func (f *fleet) forget(id hodei.WorkerID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.members, id)
}

// get returns a copy of the member.
func (f *fleet) get(id hodei.WorkerID) (member, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if m, ok := f.members[id]; ok {
		return *m, true
	}
	return member{}, false
}

// putOff marks the worker as gone in the record. Reports before this may be
// outdated; the next one is not.
func (f *fleet) putOff(id hodei.WorkerID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if m := f.members[id]; m != nil {
		m.off = true
	}
}

// which returns a copy of every member that picks accepts.
func (f *fleet) which(picks func(*member) bool) []member {
	f.mu.Lock()
	defer f.mu.Unlock()
	var some []member
	for _, m := range f.members {
		if picks(m) {
			some = append(some, *m)
		}
	}
	return some
}

// reporting returns the members that have reported, hold their lease, and are
// not known to be gone.
func (f *fleet) reporting() []member {
	return f.which(func(m *member) bool { return m.leased && !m.reportedAt.IsZero() && !m.off })
}

// overdue returns the members without a report since the given time.
func (f *fleet) overdue(since time.Time) []member {
	return f.which(func(m *member) bool { return m.since.Before(since) })
}

// takeNews returns the members with news, each once.
func (f *fleet) takeNews() []member {
	return f.which(func(m *member) bool {
		news := m.news
		m.news = false
		return news
	})
}

// setWatched sets whether reports can be received. It restarts every count of
// silence, because no report could arrive for a while.
func (f *fleet) setWatched(watched bool, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.watched = watched
	for _, m := range f.members {
		m.since = now
	}
}

func (f *fleet) isWatched() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.watched
}

func (f *fleet) accepted(id hodei.WorkerID, took time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if m := f.members[id]; m != nil {
		if m.latency == 0 {
			m.latency = took
		}
		m.latency += (took - m.latency) / 10
	}
}

// watch watches the WORKERS bucket.
func (m *Manager) watch(ctx context.Context) error {
	workers, err := kv.OpenWorkers(ctx, m.js)
	if err != nil {
		return err
	}
	defer func() { m.fleet.setWatched(false, time.Now()) }()
	fresh := false
	return workers.Watch(ctx, func(u kv.Update) {
		switch {
		case u.Synced:
			fresh = true
			m.fleet.setWatched(true, time.Now())
		case u.Availability == nil:
			m.fleet.leaseExpired(u.WorkerID)
		default:
			m.fleet.receive(*u.Availability, fresh, time.Now())
		}
	})
}
