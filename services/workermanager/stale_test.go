package workermanager

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
)

// stale is a worker whose key is never written after its first report, as seen
// by two instances of the manager: their watches are older than every answer.
type stale struct {
	*bench
	hand      *hand
	instances []*Manager
	late      []hodei.Availability // reports that may still arrive
	status    hodei.WorkerStatus   // in the record
	running   []hodei.ExecutionID
}

func newStale(t *testing.T) *stale {
	b := start(t, func(c *Config) { c.Reconcile = time.Hour })
	s := &stale{bench: b, hand: b.worker(), instances: []*Manager{b.Manager}, status: hodei.WorkerAvailable}
	b.run(b.db, func(c *Config) { c.Reconcile = time.Hour })
	s.instances = append(s.instances, b.Manager)
	b.until("the second instance has the key", func() bool { m, _ := b.fleet.get(s.hand.id); return m.leased })
	s.late = append(s.late, s.hand.latest())
	return s
}

func (s *stale) instance(t *rapid.T) *Manager {
	return rapid.SampledFrom(s.instances).Draw(t, "instance")
}

func (s *stale) assign(t *rapid.T) {
	if s.status == hodei.WorkerDraining || len(s.running) == s.hand.latest().Slots {
		t.Skip("takes nothing")
	}
	e := s.pending()
	_, err := s.instance(t).assign(s.t.Context(), schemas.AssignRequest{ExecutionID: hodei.RefTo(e.ID), WorkerID: &s.hand.id, Scheduled: true})
	require.NoError(t, err)
	s.running = append(s.running, e.ID)
	s.changed(hodei.WorkerBusy)
}

func (s *stale) finish(t *rapid.T) {
	if len(s.running) == 0 {
		t.Skip("runs nothing")
	}
	reply, err := s.instance(t).finish(s.t.Context(), schemas.FinishRequest{
		WorkerID: s.hand.id, Ends: []schemas.End{s.hand.ended(s.running[0], 0)}, Free: 4, Revision: 9,
	})
	require.NoError(t, err)
	_, err = reply.Get(0)
	require.NoError(t, err)
	s.running = s.running[1:]
	s.changed(hodei.WorkerBusy)
}

// changed gives the worker a new revision, which no instance receives yet.
func (s *stale) changed(status hodei.WorkerStatus) {
	s.hand.mu.Lock()
	defer s.hand.mu.Unlock()
	w := &s.hand.report
	w.Revision++
	w.Running, w.Free, w.Status = s.running, w.Slots-len(s.running), status
	if s.status == hodei.WorkerDraining {
		w.Status = s.status
	} else if len(s.running) == 0 {
		w.Status = hodei.WorkerAvailable
	}
	s.late = append(s.late, *w)
}

func (s *stale) drain(t *rapid.T) {
	w, err := s.instance(t).drainWorker(s.t.Context(), schemas.DrainWorkerRequest{ID: s.hand.id})
	require.NoError(t, err)
	s.status = hodei.WorkerDraining
	s.late = append(s.late, s.hand.latest())
	s.is(t, w)
}

func (s *stale) resume(t *rapid.T) {
	w, err := s.instance(t).resumeWorker(s.t.Context(), schemas.ResumeWorkerRequest{ID: s.hand.id})
	require.NoError(t, err)
	s.status = hodei.WorkerAvailable
	s.late = append(s.late, s.hand.latest())
	s.is(t, w)
}

// receive makes one instance receive an old report, or the latest.
func (s *stale) receive(t *rapid.T) {
	m, report := s.instance(t), rapid.SampledFrom(s.late).Draw(t, "report")
	m.fleet.receive(report, true, time.Now())
	known, _ := m.fleet.get(report.WorkerID)
	m.follow(s.t.Context(), known, false)
}

// is compares a reply with earlier answers.
func (s *stale) is(t *rapid.T, w hodei.Worker) {
	want := s.status
	if want == hodei.WorkerAvailable && len(s.running) > 0 {
		want = hodei.WorkerBusy
	}
	require.Equal(t, want, w.Status)
	require.Equal(t, len(s.running), w.Running)
	require.Equal(t, s.hand.latest().Slots-len(s.running), w.Capacity)
}

func (s *stale) check(t *rapid.T) {
	for _, m := range s.instances {
		w, err := m.getWorker(s.t.Context(), schemas.GetWorkerRequest{ID: s.hand.id})
		require.NoError(t, err)
		s.is(t, w)
		for _, status := range hodei.WorkerTransitions.States() {
			list, err := m.listWorkers(s.t.Context(), schemas.ListWorkersRequest{Status: schemas.OneOf[hodei.WorkerStatus]{status}})
			require.NoError(t, err)
			want := 0
			if status == w.Status {
				want = 1
			}
			require.Len(t, list.Items, want, status)
		}
	}
}

// TestRepliesAreNotOlderThanAnswers: whatever an instance has received, its
// replies include what any instance has answered.
func TestRepliesAreNotOlderThanAnswers(t *testing.T) {
	t.Parallel()
	s := newStale(t)
	rapid.Check(t, func(t *rapid.T) {
		t.Repeat(map[string]func(*rapid.T){
			"assign": s.assign, "finish": s.finish, "drain": s.drain, "resume": s.resume, "receive": s.receive, "": s.check,
		})
	})
}

// TestAForgedReportDoesNotStick: a report with a revision that the worker never
// reaches sets the recorded status only until the worker renews its key.
func TestAForgedReportDoesNotStick(t *testing.T) {
	t.Parallel()
	b := start(t)
	h := b.worker()
	forged := h.report
	forged.Revision, forged.Status = 1<<52, hodei.WorkerDraining
	require.NoError(t, b.bucket.Put(t.Context(), forged))
	b.records(h.id, hodei.WorkerDraining)
	h.keepReporting()
	b.records(h.id, hodei.WorkerAvailable)
}
