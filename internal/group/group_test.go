package group_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/group"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestCallersShareABatch: what is asked for while two batches are under way is
// done by one.
func TestCallersShareABatch(t *testing.T) {
	var mu sync.Mutex
	var sizes []int
	began, gate := make(chan struct{}, 100), make(chan struct{})
	g := &group.Group[int, int]{Run: func(_ context.Context, all []int) ([]group.Answer[int], error) {
		mu.Lock()
		sizes = append(sizes, len(all))
		mu.Unlock()
		began <- struct{}{}
		<-gate
		out := make([]group.Answer[int], len(all))
		for i, n := range all {
			out[i].Value = n * n
		}
		return out, nil
	}}
	var callers sync.WaitGroup
	ask := func(n int) {
		callers.Go(func() {
			got, err := g.Do(t.Context(), n)
			require.NoError(t, err)
			require.Equal(t, n*n, got)
		})
	}
	for n := range 2 {
		ask(n)
		<-began // alone, at once
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := g.Do(gone, 99)
	require.ErrorIs(t, err, context.Canceled)
	for n := range 50 {
		ask(n)
	}
	gate <- struct{}{}
	close(gate)
	callers.Wait()
	total := 0
	for _, n := range sizes {
		total += n
	}
	require.Equal(t, 52, total, "and nothing for who had gone")
	require.Less(t, len(sizes), 52)
}

// TestOneBadRequestSpoilsNoOther: but nothing is tried again when everything
// is away.
func TestOneBadRequestSpoilsNoOther(t *testing.T) {
	bad, away := errors.New("bad"), hodei.Errorf(hodei.Unavailable, "away")
	held, gate := make(chan struct{}, 2), make(chan struct{})
	runs := 0
	g := &group.Group[int, string]{Run: func(_ context.Context, all []int) ([]group.Answer[string], error) {
		if all[0] < 0 {
			held <- struct{}{}
			<-gate
			return make([]group.Answer[string], len(all)), nil
		}
		runs++ // no two at once: the other leader is held
		out := make([]group.Answer[string], len(all))
		for i, n := range all {
			switch {
			case n == 7:
				return nil, bad
			case n >= 100:
				return nil, away
			}
			out[i].Value = fmt.Sprint(n)
		}
		return out, nil
	}}
	var holders, callers sync.WaitGroup
	for range 2 {
		holders.Go(func() { _, _ = g.Do(t.Context(), -1) })
		<-held
	}
	for _, n := range []int{5, 6, 7, 8} {
		callers.Go(func() {
			got, err := g.Do(t.Context(), n)
			if n == 7 {
				require.ErrorIs(t, err, bad)
				return
			}
			require.NoError(t, err)
			require.Equal(t, fmt.Sprint(n), got)
		})
	}
	close(gate)
	holders.Wait()
	callers.Wait()
	runs = 0
	_, err := g.Do(t.Context(), 100)
	require.ErrorIs(t, err, hodei.Unavailable)
	require.Equal(t, 1, runs)
}
