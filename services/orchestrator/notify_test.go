package orchestrator

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/postgres"
	"github.com/hodei-jobs/hodei/schemas"
)

// notified are the events that were recorded for a run, in order, each with its target.
func (b *bench) notified(id hodei.RunID) (out []string) {
	b.t.Helper()
	all, _, err := b.db.ListNotifications(b.t.Context(), postgres.NotificationFilter{RunIDs: []hodei.RunID{id}}, postgres.Page{Size: 100})
	require.NoError(b.t, err)
	slices.Reverse(all)
	for _, n := range all {
		out = append(out, string(n.Event)+" "+n.Target)
	}
	return out
}

const notifying = `slug: release
notify:
  - { events: [started, completed, failed, recovered, cancelled, blocked], webhook: "https://a.example.com/x?k=1", secret: KEY }
  - { events: [recovered], slack: "https://hooks.example.com/T0/secret" }
  - { email: [one@example.com, two@example.com] }
jobs: { a: { command: "true" } }
`

// TestChangesOfARunAreAnnounced to the targets that want them, in the transaction of the
// change, by two instances.
func TestChangesOfARunAreAnnounced(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.instance()
	p := b.apply(notifying, nil).Pipeline.ID
	first := b.execute(p)
	require.Equal(t, []string{"started https://a.example.com/x"}, b.notified(first.ID))
	b.finish(first.ID, "a", hodei.Outcome{Status: hodei.Failed})
	b.waitRun(first.ID, hodei.RunFailed)
	require.Equal(t, []string{"started https://a.example.com/x", "failed https://a.example.com/x", "failed one@example.com", "failed two@example.com"}, b.notified(first.ID))

	second := b.execute(p)
	_, refused := asked[hodei.Run](b, schemas.CancelRun.Op, body{"id": second.ID})
	require.Nil(t, refused)
	j := b.shownRun(second.ID).Jobs[0]
	_, err := b.db.EndPending(t.Context(), *j.ExecutionID, hodei.Cancelled, hodei.ReasonCancelled)
	require.NoError(t, err)
	require.NoError(t, b.nc.Publish(schemas.RunSubject, nil))
	b.waitRun(second.ID, hodei.RunCancelled)
	require.Equal(t, []string{"started https://a.example.com/x", "cancelled https://a.example.com/x"}, b.notified(second.ID))

	third := b.execute(p)
	b.finish(third.ID, "a", completed)
	b.waitRun(third.ID, hodei.RunCompleted)
	require.Equal(t, []string{"started https://a.example.com/x", "recovered https://a.example.com/x", "recovered https://hooks.example.com/…",
		"completed one@example.com", "completed two@example.com"}, b.notified(third.ID), "a run that was cancelled does not change the state of the pipeline")

	fourth := b.execute(p)
	b.finish(fourth.ID, "a", completed)
	b.waitRun(fourth.ID, hodei.RunCompleted)
	require.Equal(t, []string{"started https://a.example.com/x", "completed https://a.example.com/x", "completed one@example.com", "completed two@example.com"}, b.notified(fourth.ID))
}

// TestOneRunIsTheFirstToRecover of those that end at the same time.
func TestOneRunIsTheFirstToRecover(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.instance()
	b.instance()
	p := b.apply(notifying, nil).Pipeline.ID
	for _, atOnce := range []bool{false, true} { // each in its own step, and as many as possible in one
		bad := b.execute(p)
		b.finish(bad.ID, "a", hodei.Outcome{Status: hodei.Failed})
		b.waitRun(bad.ID, hodei.RunFailed)
		var runs []hodei.Run
		for range 8 {
			runs = append(runs, b.execute(p))
		}
		for _, r := range runs {
			b.finishAsleep(r.ID, "a", completed)
			if !atOnce {
				require.NoError(t, b.nc.Publish(schemas.RunSubject, nil))
			}
		}
		require.NoError(t, b.nc.Publish(schemas.RunSubject, nil))
		recovered := 0
		for _, r := range runs {
			b.waitRun(r.ID, hodei.RunCompleted)
			if slices.Contains(b.notified(r.ID), "recovered https://hooks.example.com/…") {
				recovered++
			}
		}
		require.Equal(t, 1, recovered, "at once: %t", atOnce)
	}
}

// TestAnApprovalIsAnnounced once, with what it asks.
func TestAnApprovalIsAnnounced(t *testing.T) {
	t.Parallel()
	b := start(t)
	p := b.apply(`slug: release
notify: [{ events: [blocked], webhook: "https://a.example.com/x" }]
jobs: { deploy: { command: "true", approval: { message: "Deploy?" } } }
`, nil).Pipeline.ID
	r := b.execute(p)
	b.waitJob(r.ID, "deploy", hodei.JobBlocked)
	require.Equal(t, []string{"blocked https://a.example.com/…"}, b.notified(r.ID))
	taken, err := b.db.TakeNotifications(t.Context(), 10, false, time.Minute)
	require.NoError(t, err)
	require.Len(t, taken, 1)
	require.Equal(t, "deploy", taken[0].Notice.Job)
	require.Equal(t, "Deploy?", taken[0].Notice.Message)
	require.Nil(t, taken[0].Notice.Run.Jobs)
	_, refused := asked[hodei.Run](b, schemas.ApproveRun.Op, body{"id": r.ID, "key": "deploy"})
	require.Nil(t, refused)
	b.finish(r.ID, "deploy", completed)
	b.waitRun(r.ID, hodei.RunCompleted)
	require.Len(t, b.notified(r.ID), 1)
}

// TestACommitStatusFollowsTheRun: each change of a run that has a commit, and nothing of
// others.
func TestACommitStatusFollowsTheRun(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.believer()
	p := b.apply(`slug: release
notify: [{ commit_status: gitea, repository: "https://git.example.com/team/shop", secret: TOKEN }]
jobs: { a: { command: "true" } }
`, nil).Pipeline.ID
	without := b.execute(p)
	b.finish(without.ID, "a", completed)
	b.waitRun(without.ID, hodei.RunCompleted)
	require.Empty(t, b.notified(without.ID))

	h := b.hook(p, hodei.HookSpec{})
	for i, end := range []hodei.Outcome{{Status: hodei.Failed}, completed} {
		b.receive(h, "push", fmt.Sprint(i), fmt.Sprintf(pushOf, i+1))
		id := *b.decided(h)[i].RunID
		b.finish(id, "a", end)
		b.waitRun(id, map[int]hodei.RunStatus{0: hodei.RunFailed, 1: hodei.RunCompleted}[i])
		require.Equal(t, []string{
			"started https://git.example.com/team/shop", map[int]string{0: "failed", 1: "completed"}[i] + " https://git.example.com/team/shop",
		}, b.notified(id))
	}
	taken, err := b.db.TakeNotifications(t.Context(), 10, false, time.Minute)
	require.NoError(t, err)
	require.Len(t, taken, 2, "the first of each commit: one that fails delays no other")
	require.Equal(t, hodei.NotifyGitea, taken[0].Kind)
	require.Equal(t, "TOKEN", taken[0].Secret)
	require.Equal(t, fmt.Sprintf("%040x", 1), *taken[0].Notice.Run.Commit)
}
