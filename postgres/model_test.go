package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/postgres"
)

// life is the model of one execution.
type life struct {
	hodei.Execution
	incarnation string
	past        []time.Time // earlier assignments
	lines       int64       // recorded
	digest      int64       // of their chunks
	owed        bool        // a retry by policy is due
}

// lives is the model of the record: every operation, its allowed effects on an
// execution, and what it must refuse. It implements the design and not the
// transition table, so that the test verifies the table too.
type lives struct {
	db      *postgres.DB
	ctx     context.Context
	all     []*life
	workers []hodei.WorkerID
}

var incarnations = []string{"first", "second"}

func (m *lives) any(t *rapid.T) *life {
	if len(m.all) == 0 {
		t.Skip("there is none yet")
	}
	return rapid.SampledFrom(m.all).Draw(t, "execution")
}

func (m *lives) worker(t *rapid.T, l *life) hodei.WorkerID {
	if l.WorkerID != nil && rapid.IntRange(0, 3).Draw(t, "its worker") > 0 {
		return *l.WorkerID
	}
	return rapid.SampledFrom(m.workers).Draw(t, "worker")
}

// ends applies any end of an execution to the model.
func (l *life) ends(status hodei.ExecutionStatus, reason *hodei.Reason, lines int64) {
	l.Status, l.Reason, l.LogCount = status, reason, lines
	failed := status == hodei.Failed || status == hodei.TimedOut
	l.owed = failed && l.CancelRequestedAt == nil && l.Retries != nil && l.Attempt <= l.Retries.Max
}

func (m *lives) create(t *rapid.T) {
	s := spec("true")
	if most := rapid.IntRange(0, 2).Draw(t, "retries"); most > 0 {
		s.Retries = &hodei.Retries{Max: most}
	}
	e, err := m.db.CreateExecution(m.ctx, hodei.Execution{Spec: s})
	require.NoError(t, err)
	require.Equal(t, hodei.Pending, e.Status)
	m.all = append(m.all, &life{Execution: e})
}

// start creates and assigns in one commit.
func (m *lives) start(t *rapid.T) {
	worker, incarnation := rapid.SampledFrom(m.workers).Draw(t, "worker"), rapid.SampledFrom(incarnations).Draw(t, "incarnation")
	e, err := m.db.StartExecution(m.ctx, hodei.Execution{ID: postgres.NewExecutionID(m.ctx), Spec: spec("true")}, worker, "shell", incarnation)
	require.NoError(t, err)
	require.Equal(t, hodei.Running, e.Status)
	require.Equal(t, "shell", *e.WorkerType)
	require.Equal(t, *e.ScheduledAt, *e.StartedAt)
	require.Equal(t, 1, e.Attempt)
	m.all = append(m.all, &life{Execution: e, incarnation: incarnation})
}

// again creates an execution that exists.
func (m *lives) again(t *rapid.T) {
	l := m.any(t)
	draft := hodei.Execution{ID: l.ID, Spec: l.Spec}
	_, err := m.db.StartExecution(m.ctx, draft, rapid.SampledFrom(m.workers).Draw(t, "worker"), "shell", "third")
	require.ErrorIs(t, err, hodei.Conflict)
	e, err := m.db.CreateExecution(m.ctx, draft)
	require.NoError(t, err)
	require.Equal(t, l.Status, e.Status)
}

func (m *lives) assign(t *rapid.T) {
	l, worker := m.any(t), rapid.SampledFrom(m.workers).Draw(t, "worker")
	incarnation := rapid.SampledFrom(incarnations).Draw(t, "incarnation")
	e, err := m.db.AssignExecution(m.ctx, l.ID, worker, "shell", incarnation)
	if l.Status != hodei.Pending {
		require.ErrorIs(t, err, hodei.Conflict)
		return
	}
	require.NoError(t, err)
	l.Status, l.WorkerID, l.ScheduledAt, l.incarnation = hodei.Running, &worker, e.ScheduledAt, incarnation
}

func (m *lives) requeue(t *rapid.T) {
	l := m.any(t)
	worker, at := m.worker(t, l), time.Now()
	if l.ScheduledAt != nil {
		at = rapid.SampledFrom(append([]time.Time{*l.ScheduledAt}, l.past...)).Draw(t, "assigned at")
	}
	_, err := m.db.RequeueExecution(m.ctx, l.ID, worker, at)
	if l.Status != hodei.Running || *l.WorkerID != worker || !l.ScheduledAt.Equal(at) {
		require.ErrorIs(t, err, hodei.Conflict)
		return
	}
	require.NoError(t, err)
	l.past = append(l.past, *l.ScheduledAt)
	l.Status, l.WorkerID, l.ScheduledAt, l.incarnation = hodei.Pending, nil, nil, ""
}

func (m *lives) appendLogs(t *rapid.T) {
	l, n := m.any(t), int64(rapid.IntRange(1, 3).Draw(t, "lines"))
	worker, incarnation := m.worker(t, l), rapid.SampledFrom(incarnations).Draw(t, "incarnation")
	c := chunk(l.ID, l.lines+1, l.lines+n)
	c.WorkerID, c.Incarnation = worker, incarnation
	refused, err := m.db.AppendLogs(m.ctx, []postgres.Chunk{c}, allDays)
	require.NoError(t, err)
	if l.Status != hodei.Running || *l.WorkerID != worker || l.incarnation != incarnation {
		require.ErrorIs(t, refused[0], hodei.Conflict)
		return
	}
	require.NoError(t, refused[0])
	l.lines += n
	l.digest += c.Digest
}

// finish is a worker's report, true or false.
func (m *lives) finish(t *rapid.T) {
	l := m.any(t)
	worker, status := m.worker(t, l), rapid.SampledFrom(hodei.ExecutionTransitions.States()).Draw(t, "end")
	o := hodei.Outcome{Status: status, CompletedAt: time.Now()}
	if missing := rapid.IntRange(0, 3).Draw(t, "lines missing") == 0; l.lines > 0 || missing {
		o.LogCount, o.LogDigest = l.lines, l.digest
		if missing {
			o.LogCount++
		}
	}
	_, finished, err := m.db.FinishExecution(m.ctx, l.ID, worker, o)
	switch theirs := l.WorkerID != nil && *l.WorkerID == worker; {
	case !status.Ended():
		require.ErrorIs(t, err, hodei.Invalid)
	case theirs && l.Status == hodei.Running && o.LogCount == l.lines:
		require.NoError(t, err)
		require.True(t, finished)
		l.ends(status, nil, o.LogCount)
	case theirs && l.Status == hodei.Running:
		require.NoError(t, err)
		require.False(t, finished, "lines are missing")
	case theirs && l.Status == status && l.LogCount == o.LogCount:
		require.NoError(t, err)
		require.True(t, finished, "the same again")
	default:
		require.ErrorIs(t, err, hodei.Conflict)
	}
}

func (m *lives) endPending(t *rapid.T) {
	l, status := m.any(t), rapid.SampledFrom([]hodei.ExecutionStatus{hodei.Cancelled, hodei.Failed, hodei.Completed, hodei.TimedOut}).Draw(t, "end")
	_, err := m.db.EndPending(m.ctx, l.ID, status, hodei.ReasonCancelled)
	if l.Status != hodei.Pending || status == hodei.Completed || status == hodei.TimedOut {
		require.ErrorIs(t, err, hodei.Conflict, "what has not run has neither completed nor timed out")
		return
	}
	require.NoError(t, err)
	l.ends(status, new(hodei.ReasonCancelled), 0)
	l.owed = false // an execution that never ran is not retried
}

func (m *lives) requestCancel(t *rapid.T) {
	l := m.any(t)
	e, err := m.db.RequestCancel(m.ctx, l.ID)
	if l.Status.Ended() && !l.owed {
		require.ErrorIs(t, err, hodei.Conflict)
		return
	}
	require.NoError(t, err)
	l.owed, l.CancelRequestedAt = false, e.CancelRequestedAt
}

func (m *lives) lose(t *rapid.T) {
	worker, gone := rapid.SampledFrom(m.workers).Draw(t, "worker"), rapid.SampledFrom(incarnations).Draw(t, "incarnation")
	var spared []hodei.ExecutionID
	if len(m.all) > 0 && rapid.IntRange(0, 3).Draw(t, "offered") == 0 {
		spared = append(spared, m.any(t).ID)
	}
	lost, err := m.db.LoseExecutions(m.ctx, worker, gone, always, spared)
	require.NoError(t, err)
	n := 0
	for _, l := range m.all {
		if l.Status == hodei.Running && *l.WorkerID == worker && l.incarnation == gone && (len(spared) == 0 || spared[0] != l.ID) {
			l.ends(hodei.Failed, new(hodei.ReasonWorkerLost), l.lines)
			n++
		}
	}
	require.Len(t, lost, n)
}

// retry is a retry by policy, and one by a user.
func (m *lives) retry(t *rapid.T) {
	e, err := m.db.CreateRetry(m.ctx)
	for _, l := range m.all {
		if err == nil && e.RetryOf != nil && l.ID == *e.RetryOf {
			require.True(t, l.owed, "no retry is due")
			require.Equal(t, l.Attempt+1, e.Attempt)
			l.owed = false
			m.all = append(m.all, &life{Execution: e})
			return
		}
	}
	require.ErrorIs(t, err, hodei.NotFound)
	for _, l := range m.all {
		require.False(t, l.owed, "%s is owed", l.ID)
	}
}

func (m *lives) retryByHand(t *rapid.T) {
	l := m.any(t)
	e, err := m.db.CreateExecution(m.ctx, hodei.Execution{Spec: l.Spec, RetryOf: &l.ID, Attempt: l.Attempt + 1})
	require.NoError(t, err)
	l.owed = false
	m.all = append(m.all, &life{Execution: e})
}

// agree compares every execution with the model.
func (m *lives) agree(t *rapid.T) {
	for _, l := range m.all {
		e, err := m.db.GetExecution(m.ctx, l.ID)
		require.NoError(t, err)
		require.Equal(t, l.Status, e.Status)
		require.Equal(t, l.WorkerID, e.WorkerID)
		require.Equal(t, l.Reason, e.Reason)
		require.Equal(t, l.Attempt, e.Attempt)
		require.Equal(t, l.RetryOf, e.RetryOf)
		require.Equal(t, l.owed, e.RetryAt != nil, "owed a retry")
		require.Equal(t, l.CancelRequestedAt != nil, e.CancelRequestedAt != nil)
		require.Equal(t, l.Status.Ended(), e.CompletedAt != nil)
		if l.Status.Ended() {
			require.Equal(t, l.LogCount, e.LogCount)
		}
	}
}

// TestExecutionsFollowTheModel: after any operations in any order, an execution
// is in the state of the model.
func TestExecutionsFollowTheModel(t *testing.T) {
	t.Parallel()
	db, _ := open(t)
	for range 2 { // the test may have begun before midnight
		require.NoError(t, db.CreateLogDay(t.Context(), time.Now()))
	}
	rapid.Check(t, func(rt *rapid.T) {
		m := &lives{db: db, ctx: t.Context(), workers: []hodei.WorkerID{postgres.NewID[hodei.WorkerID](), postgres.NewID[hodei.WorkerID]()}}
		rt.Repeat(map[string]func(*rapid.T){
			"create": m.create, "start": m.start, "create again": m.again, "assign": m.assign, "assign again": m.assign, "requeue": m.requeue, "append logs": m.appendLogs,
			"finish": m.finish, "finish again": m.finish, "end pending": m.endPending, "request cancel": m.requestCancel,
			"lose": m.lose, "retry": m.retry, "retry by hand": m.retryByHand, "": m.agree,
		})
		for _, l := range m.all {
			if l.owed { // otherwise the next run would get it
				_, err := db.RequestCancel(t.Context(), l.ID)
				require.NoError(rt, err)
			}
		}
	})
}
