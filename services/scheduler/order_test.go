package scheduler

import (
	"cmp"
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
)

// made is the id of an execution made at the given minute.
func made(minute int, n uint16) hodei.ExecutionID {
	var id hodei.ExecutionID
	ms := time.Date(2026, 1, 2, 0, minute, 0, 0, time.UTC).UnixMilli()
	for i := range 6 {
		id[i] = byte(ms >> (8 * (5 - i)))
	}
	binary.BigEndian.PutUint16(id[14:], n)
	return id
}

func TestAgeing(t *testing.T) {
	o := order(10 * time.Minute)
	require.Less(t, o.rank(made(30, 1).Time(), 9), o.rank(made(0, 1).Time(), 5), "four levels outweigh half an hour")
	require.Less(t, o.rank(made(0, 1).Time(), 5), o.rank(made(50, 1).Time(), 9), "and not fifty minutes")
	require.Equal(t, o.rank(made(0, 1).Time(), 5), o.rank(made(40, 1).Time(), 9))
	require.Less(t, order(-1).rank(made(59, 1).Time(), 1), order(-1).rank(made(0, 1).Time(), 0), "without ageing priority is all")
}

// TestADelayedExecutionAgesFromItsTime: it does not overtake what was made before its time came.
func TestADelayedExecutionAgesFromItsTime(t *testing.T) {
	s := New(Config{})
	delayed := hodei.Execution{ID: made(0, 1), Status: hodei.Pending, NotBefore: new(made(20, 0).Time()), Spec: hodei.Spec{Priority: 5}}
	s.happens(t, schemas.EventRequeued, delayed, 0, 0)
	for _, minute := range []int{10, 30} {
		s.happens(t, schemas.EventCreated, hodei.Execution{ID: made(minute, 1), Status: hodei.Pending, Spec: hodei.Spec{Priority: 5}}, 0, 0)
	}
	require.Equal(t, 2, s.queue.position(s.queue.entries[delayed.ID]))
	for _, want := range []hodei.ExecutionID{made(10, 1), delayed.ID, made(30, 1)} {
		require.Equal(t, want, s.queue.pop(nil).req.ID)
	}
}

// TestQueueIsInOrder: whatever comes, goes back and leaves, the queue gives
// what is left by rank, and returns the place of each.
func TestQueueIsInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := order(rapid.SampledFrom([]time.Duration{-1, time.Minute, 10 * time.Minute}).Draw(t, "ageing"))
		q := newQueue(o)
		var want []*entry
		for i := range rapid.IntRange(1, 40).Draw(t, "entries") {
			kind := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "type")
			id := made(rapid.IntRange(0, 59).Draw(t, "minute"), uint16(i))
			e := newEntry(id, rapid.IntRange(0, hodei.MaxPriority).Draw(t, "priority"), hodei.Requirements{Type: &kind}, nil)
			if later := rapid.IntRange(0, 90).Draw(t, "not before"); later >= 60 { // a third is delayed
				e.notBefore = new(made(later-30, 0).Time())
			}
			require.True(t, pushed(t, q, e))
			if rapid.IntRange(0, 4).Draw(t, "leaves") == 0 {
				require.True(t, q.withdraw(e.req.ID, result{withdrawn: true}))
				continue
			}
			want = append(want, e)
		}
		slices.SortFunc(want, func(a, b *entry) int {
			if c := cmp.Compare(o.rank(a.since(), a.priority), o.rank(b.since(), b.priority)); c != 0 {
				return c
			}
			return slices.Compare(a.req.ID[:], b.req.ID[:])
		})
		for i, e := range want {
			// Of those with the same rank but another priority the order is the
			// ids', which the position does not look at.
			ties := 0
			for _, other := range want {
				if other.rank == e.rank && other.priority != e.priority {
					ties++
				}
			}
			require.InDelta(t, i+1, q.position(e), float64(ties))
		}
		for _, e := range want {
			got := q.pop(nil)
			require.Same(t, e, got)
			if rapid.Bool().Draw(t, "goes back") {
				q.restore(got)
				require.Same(t, e, q.pop(nil))
			}
			q.finish(e, result{})
		}
		require.Nil(t, q.pop(nil))
		require.Zero(t, q.len())
	})
}
