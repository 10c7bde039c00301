package scheduler

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/services/scheduler/plan"
)

func waits(n byte, priority int, kind string) *entry {
	return &entry{
		req:      plan.Request{ID: hodei.ExecutionID{15: n}, Requirements: hodei.Requirements{Type: &kind}},
		priority: priority, done: make(chan result, 1),
	}
}

func TestQueueOrder(t *testing.T) {
	q := newQueue()
	for _, e := range []*entry{waits(3, 5, "a"), waits(1, 5, "b"), waits(4, 9, "b"), waits(2, 5, "a"), waits(5, 0, "a")} {
		require.True(t, q.push(e))
		require.False(t, q.push(e), "once is enough")
	}
	require.Equal(t, 4, q.position(5), "one of higher priority and three of the same")
	var order []byte
	for e := q.pop(nil); e != nil; e = q.pop(nil) {
		order = append(order, e.req.ID[15])
	}
	require.Equal(t, []byte{4, 1, 2, 3, 5}, order)
	require.Equal(t, 5, q.len(), "they are still being assigned")
}

// TestHopelessClassIsPassedOver: a class of which even the only entry found no
// worker is skipped, also after that entry went back.
func TestHopelessClassIsPassedOver(t *testing.T) {
	q := newQueue()
	q.push(waits(1, 9, "a"))
	q.push(waits(2, 1, "b"))
	first := q.pop(nil)
	hopeless := map[string]bool{first.class.key: true}
	q.restore(first)
	require.Equal(t, byte(2), q.pop(hopeless).req.ID[15])
	require.Nil(t, q.pop(hopeless))
}

func TestWithdraw(t *testing.T) {
	q := newQueue()
	queued, assigning := waits(1, 5, "a"), waits(2, 5, "a")
	q.push(queued)
	require.True(t, q.withdraw(queued.req.ID))
	require.Nil(t, q.pop(nil))
	require.Zero(t, q.position(0)-1)

	q.push(assigning)
	require.Same(t, assigning, q.pop(nil))
	q.forget(assigning.req.ID)
	require.Equal(t, 1, q.len(), "its own result decides")
	require.False(t, q.withdraw(assigning.req.ID))
	q.restore(assigning)
	require.True(t, (<-assigning.done).withdrawn)
	require.Zero(t, q.len())

	other := waits(3, 5, "a")
	q.push(other)
	q.forget(other.req.ID)
	require.Zero(t, q.len())
}
