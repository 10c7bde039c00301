package batch_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/batch"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestCallersShareABatch: calls that arrive while a batch is in flight share
// the next one.
func TestCallersShareABatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sizes []int
		gate := make(chan struct{})
		g := &batch.Group[int, int]{Run: func(_ context.Context, all []int) ([]batch.Answer[int], error) {
			sizes = append(sizes, len(all))
			<-gate
			out := make([]batch.Answer[int], len(all))
			for i, n := range all {
				out[i].Value = n * n
			}
			return out, nil
		}}
		var callers sync.WaitGroup
		ask := func(n int) {
			callers.Go(func() {
				got, err := g.Do(t.Context(), n)
				assert.NoError(t, err)
				assert.Equal(t, n*n, got)
			})
		}
		ask(0)
		synctest.Wait() // alone, at once
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := g.Do(gone, 99)
		require.ErrorIs(t, err, context.Canceled)
		for n := range 50 {
			ask(n)
		}
		synctest.Wait()
		close(gate)
		callers.Wait()
		require.Equal(t, []int{1, 50}, sizes, "and no request of a caller that had gone")
	})
}

// TestAPanicIsTheCallersOwn: it ends neither the process nor what others ask for.
func TestAPanicIsTheCallersOwn(t *testing.T) {
	g := &batch.Group[int, int]{Run: func(_ context.Context, all []int) ([]batch.Answer[int], error) {
		answers := make([]batch.Answer[int], len(all))
		for i, n := range all {
			answers[i].Value = 12 / n
		}
		return answers, nil
	}}
	var callers sync.WaitGroup
	for n := range 4 {
		callers.Go(func() {
			ask := func() int {
				got, err := g.Do(t.Context(), n)
				assert.NoError(t, err)
				return got
			}
			if n == 0 {
				assert.Panics(t, func() { ask() })
			} else {
				assert.Equal(t, 12/n, ask())
			}
		})
	}
	callers.Wait()
}

// TestOneInvalidCallDoesNotFailOthers: one invalid call does not fail the others. In
// an outage nothing is retried.
func TestOneInvalidCallDoesNotFailOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bad, away := errors.New("bad"), hodei.Errorf(hodei.Unavailable, "away")
		gate, sizes := make(chan struct{}), []int{}
		g := &batch.Group[int, string]{Run: func(_ context.Context, all []int) ([]batch.Answer[string], error) {
			if all[0] < 0 {
				<-gate
				return make([]batch.Answer[string], len(all)), nil
			}
			sizes = append(sizes, len(all))
			out := make([]batch.Answer[string], len(all))
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
		ask := func(n int, want error) {
			go func() {
				got, err := g.Do(t.Context(), n)
				require.ErrorIs(t, err, want)
				if n >= 0 && want == nil {
					require.Equal(t, fmt.Sprint(n), got)
				}
			}()
			synctest.Wait()
		}
		ask(-1, nil) // blocks the batch
		ask(5, nil)
		ask(7, bad)
		ask(8, nil)
		gate <- struct{}{}
		synctest.Wait()
		require.Equal(t, []int{3, 1, 1, 1}, sizes, "together, then each alone")
		ask(100, away)
		require.Equal(t, []int{3, 1, 1, 1, 1}, sizes, "once")
		ask(-3, nil)
		ask(100, away)
		ask(101, away)
		gate <- struct{}{}
		synctest.Wait()
		require.Equal(t, []int{3, 1, 1, 1, 1, 2}, sizes, "together, and once")
		close(gate)
		synctest.Wait()
	})
}

// TestABatchIsBounded: in number, and in size, but for one request that is larger.
func TestABatchIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var batches [][]int
		g := &batch.Group[int, int]{Size: func(n int) int { return n }, MaxSize: 100}
		g.Run = func(_ context.Context, all []int) ([]batch.Answer[int], error) {
			batches = append(batches, all)
			return make([]batch.Answer[int], len(all)), nil
		}
		require.Len(t, g.DoAll(t.Context(), []int{60, 40, 1, 500, 100, 0}), 6)
		require.Equal(t, [][]int{{60, 40}, {1}, {500}, {100, 0}}, batches)
		require.Empty(t, g.DoAll(t.Context(), nil))
		batches = nil
		g.DoAll(t.Context(), make([]int, batch.Most+1))
		require.Len(t, batches, 2)
		require.Len(t, batches[0], batch.Most)
	})
}

// TestAKeyWaitsForNoOther: a batch that is not answered delays its own key only.
func TestAKeyWaitsForNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		g := &batch.Groups[string, int, string]{Run: func(_ context.Context, key string, all []int) ([]batch.Answer[string], error) {
			if key == "silent" {
				<-gate
			}
			out := make([]batch.Answer[string], len(all))
			for i, n := range all {
				out[i].Value = fmt.Sprintf("%s %d of %d", key, n, len(all))
			}
			return out, nil
		}}
		var callers sync.WaitGroup
		for n := range 3 {
			callers.Go(func() {
				got, err := g.Do(t.Context(), "silent", n)
				assert.NoError(t, err)
				assert.Equal(t, fmt.Sprintf("silent %d of %d", n, min(n+1, 2)), got)
			})
			if n == 0 {
				synctest.Wait() // the others share a batch
			}
		}
		synctest.Wait()
		require.Equal(t, []batch.Answer[string]{{Value: "quick 1 of 2"}, {Value: "quick 2 of 2"}}, g.DoAll(t.Context(), "quick", []int{1, 2}))
		close(gate)
		callers.Wait()
	})
}
