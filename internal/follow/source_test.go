package follow_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/follow"
	"github.com/hodei-jobs/hodei/internal/local/localtest"
)

// TestFeedIgnoresOtherWorkers: a worker may publish chunks of any execution, below its own id.
func TestFeedIgnoresOtherWorkers(t *testing.T) {
	t.Parallel()
	nc, _ := localtest.JetStream(t)
	l := newLog(t, nc)
	l.forge(t, hodei.WorkerID{2}, 1, 5) // in the window
	l.publish(t, 1, 3)
	feed := start(t, l, follow.FeedConfig{})
	_, err := feed.Now(within(t))
	require.NoError(t, err)
	l.forge(t, hodei.WorkerID{2}, 4, 20)
	l.publish(t, 4, 10)
	expect(t, within(t), feed, 1, 10)
	l.forge(t, hodei.WorkerID{2}, 11, 11)
	l.publish(t, 11, 12)
	expect(t, within(t), feed, 11, 12)
}

// TestFeedHoldsChunksUntilTheWorkerIsKnown: the first chunk may overtake the event of the start.
func TestFeedHoldsChunksUntilTheWorkerIsKnown(t *testing.T) {
	t.Parallel()
	nc, _ := localtest.JetStream(t)
	l := newLog(t, nc)
	l.exec.Status, l.exec.WorkerID = hodei.Pending, nil
	feed := start(t, l, follow.FeedConfig{})
	_, err := feed.Now(within(t))
	require.NoError(t, err)
	l.forge(t, hodei.WorkerID{2}, 1, 1)
	l.publish(t, 1, 2)
	l.runsOn(t, hodei.WorkerID{1})
	expect(t, within(t), feed, 1, 2)
	l.publish(t, 3, 4)
	expect(t, within(t), feed, 3, 4)
}

// TestFeedFollowsAnExecutionToAnotherWorker: the first one refused it, after it was recorded.
func TestFeedFollowsAnExecutionToAnotherWorker(t *testing.T) {
	t.Parallel()
	nc, _ := localtest.JetStream(t)
	l := newLog(t, nc)
	l.exec.WorkerID = &hodei.WorkerID{2}
	feed := start(t, l, follow.FeedConfig{})
	_, err := feed.Now(within(t))
	require.NoError(t, err)
	l.forge(t, hodei.WorkerID{2}, 1, 3)
	require.Eventually(t, func() bool { now, err := feed.Now(within(t)); return err == nil && now.LogCount == 3 }, time.Minute, time.Millisecond)
	l.runsOn(t, hodei.WorkerID{1})
	require.Eventually(t, func() bool { now, err := feed.Now(within(t)); return err == nil && now.LogCount == 0 }, time.Minute, time.Millisecond)
	l.publish(t, 1, 2)
	expect(t, within(t), feed, 1, 2)
}
