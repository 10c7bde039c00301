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
	word    hodei.Availability // zero until its key is seen
	heard   time.Time          // by our clock
	latency time.Duration      // smoothed time to accept
	lost    bool               // declared lost here; should it come back, it is told
}

// fleet is every worker of which this instance has heard, or has been told by
// the record.
type fleet struct {
	mu      sync.Mutex
	members map[hodei.WorkerID]*member
}

func newFleet() *fleet { return &fleet{members: map[hodei.WorkerID]*member{}} }

// hear takes in the worker's word and reports whether it had been given up.
func (f *fleet) hear(word hodei.Availability, now time.Time) (wasLost bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := f.members[word.WorkerID]
	if m == nil {
		m = &member{}
		f.members[word.WorkerID] = m
	}
	wasLost = m.lost
	m.word, m.heard, m.lost = word, now, false
	return wasLost
}

// expect notes a worker that should be heard of from now on.
func (f *fleet) expect(id hodei.WorkerID, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.members[id] == nil {
		f.members[id] = &member{heard: now}
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
	m, ok := f.members[id]
	if !ok {
		return member{}, false
	}
	return *m, true
}

// excuse starts every count of silence anew, because for a while nobody could
// have been heard.
func (f *fleet) excuse(now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.members {
		m.heard = now
	}
}

// silent marks as lost, and returns, the workers not heard since the given
// time.
func (f *fleet) silent(since time.Time) []hodei.WorkerID {
	f.mu.Lock()
	defer f.mu.Unlock()
	var ids []hodei.WorkerID
	for id, m := range f.members {
		if !m.lost && m.heard.Before(since) {
			m.lost = true
			ids = append(ids, id)
		}
	}
	return ids
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

// watch follows the WORKERS bucket. A key that ends says only that its worker
// is silent; whether it is lost, time tells.
func (m *Manager) watch(ctx context.Context) error {
	workers, err := kv.OpenWorkers(ctx, m.js)
	if err != nil {
		return err
	}
	m.fleet.excuse(time.Now())
	return workers.Watch(ctx, func(u kv.Update) {
		if u.Availability == nil {
			return
		}
		if m.fleet.hear(*u.Availability, time.Now()) {
			m.welcomeBack(ctx, *u.Availability)
		}
	})
}

// recallMembers has the workers that the record thinks are there be missed if
// they are not.
func (m *Manager) recallMembers(ctx context.Context) error {
	members, err := m.db.ListMembers(ctx)
	for _, w := range members {
		m.fleet.expect(w.ID, time.Now())
	}
	return err
}
