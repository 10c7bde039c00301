package workermanager

import (
	"context"
	"sync"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/kv"
)

// member is what this instance knows of one worker.
type member struct {
	id          hodei.WorkerID
	incarnation string
	report      hodei.Availability // zero until its key is seen
	leased      bool               // its key is there
	heard       time.Time          // by our clock, zero until it says something new
	since       time.Time          // when the count of its silence began
	latency     time.Duration      // smoothed time to accept
	news        bool               // its report has another state than before
	off         bool               // it is recorded as gone; its next report corrects that
	back        bool               // it has spoken since it was off
}

// fleet is every worker of which this instance has heard, or has been told by
// the record.
type fleet struct {
	news chan struct{} // one value: some member has news

	mu      sync.Mutex
	members map[hodei.WorkerID]*member
	deaf    bool // the bucket is not being followed
}

func newFleet() *fleet {
	return &fleet{news: make(chan struct{}, 1), members: map[hodei.WorkerID]*member{}, deaf: true}
}

// hear takes in a worker's report. One that was in the bucket when the watch
// began is not fresh: its worker may be dead since.
func (f *fleet) hear(report hodei.Availability, fresh bool, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := f.members[report.WorkerID]
	if m == nil {
		m = &member{id: report.WorkerID}
		f.members[m.id] = m
	}
	changed := m.heard.IsZero() || m.off || m.incarnation != report.Incarnation || recorded(m.report.Status) != recorded(report.Status)
	m.report, m.incarnation, m.leased, m.since = report, report.Incarnation, true, now
	if !fresh {
		return
	}
	m.heard, m.back, m.off = now, m.off, false
	if changed {
		m.news = true
		select {
		case f.news <- struct{}{}:
		default:
		}
	}
}

// hush notes that the worker's key is gone. That says only that it is silent;
// whether it is lost, time tells.
func (f *fleet) hush(id hodei.WorkerID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if m := f.members[id]; m != nil {
		m.leased = false
	}
}

// recorded is what the record calls a state: to it BUSY and AVAILABLE are one.
func recorded(status hodei.WorkerStatus) hodei.WorkerStatus {
	if status == hodei.WorkerBusy {
		return hodei.WorkerAvailable
	}
	return status
}

// expect notes a worker that should be heard of from now on.
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

// get returns a copy of what is known of the worker.
func (f *fleet) get(id hodei.WorkerID) (member, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if m, ok := f.members[id]; ok {
		return *m, true
	}
	return member{}, false
}

// putOff notes that to the record the worker is gone. What it has said so far
// may be older than that; what it says next is not.
func (f *fleet) putOff(id hodei.WorkerID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if m := f.members[id]; m != nil {
		m.off = true
	}
}

// which returns a copy of every member that the condition picks.
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

// speaking returns the members that have spoken, hold their lease, and are not
// known to be gone.
func (f *fleet) speaking() []member {
	return f.which(func(m *member) bool { return m.leased && !m.heard.IsZero() && !m.off })
}

// silent returns the members not heard since the given time.
func (f *fleet) silent(since time.Time) []member {
	return f.which(func(m *member) bool { return m.since.Before(since) })
}

// changed returns, once, the members that have news.
func (f *fleet) changed() []member {
	return f.which(func(m *member) bool {
		news := m.news
		m.news = false
		return news
	})
}

// listen says whether reports can be heard. Every count of silence starts anew,
// because for a while nobody could be.
func (f *fleet) listen(deaf bool, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.deaf = deaf
	for _, m := range f.members {
		m.since = now
	}
}

func (f *fleet) isDeaf() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.deaf
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

// watch follows the WORKERS bucket.
func (m *Manager) watch(ctx context.Context) error {
	workers, err := kv.OpenWorkers(ctx, m.js)
	if err != nil {
		return err
	}
	defer func() { m.fleet.listen(true, time.Now()) }()
	fresh := false
	return workers.Watch(ctx, func(u kv.Update) {
		switch {
		case u.Synced:
			fresh = true
			m.fleet.listen(false, time.Now())
		case u.Availability == nil:
			m.fleet.hush(u.WorkerID)
		default:
			m.fleet.hear(*u.Availability, fresh, time.Now())
		}
	})
}
