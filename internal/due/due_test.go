package due

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/local/localtest"
)

// row becomes due at a time; one instance at a time holds it.
type row struct {
	at    time.Time
	held  bool
	done  int
	fails int // times that its work fails before it succeeds
}

// table stands for the rows in Postgres.
type table struct {
	mu    sync.Mutex
	rows  []*row
	looks atomic.Int64
	more  bool // what take reports
}

func (s *table) add(r *row) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rows = append(s.rows, r)
}

func (s *table) next(_ context.Context, most time.Duration) (time.Duration, error) {
	s.looks.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.rows {
		if r.done == 0 {
			most = min(most, max(0, time.Until(r.at)))
		}
	}
	return most, nil
}

func (s *table) take(context.Context) (more bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.rows {
		if r.done > 0 || r.held || time.Now().Before(r.at) {
			continue
		}
		if r.fails--; r.fails >= 0 {
			return false, errors.New("the work failed")
		}
		r.done++
		return s.more, nil
	}
	return false, hodei.NotFound
}

func (s *table) left() (left int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.rows {
		if r.done == 0 {
			left++
		}
	}
	return left
}

// run starts an instance and returns a function that stops it.
func run(t *testing.T, nc *nats.Conn, s *table, subject string) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	rows := Rows{Name: "rows", Subject: subject, Next: s.next, Take: s.take}
	go func() { ended <- rows.Run(ctx, nc, localtest.Log(t)) }()
	return sync.OnceFunc(func() { cancel(); require.NoError(t, <-ended) })
}

// TestTwoInstancesTakeEachRowOnce, whether a message announces it or not, and after
// one of them has stopped.
func TestTwoInstancesTakeEachRowOnce(t *testing.T) {
	srv := localtest.NATS(t)
	s := &table{}
	stop := run(t, localtest.Connect(t, srv), s, "rows.due")
	defer run(t, localtest.Connect(t, srv), s, "rows.due")()
	nc := localtest.Connect(t, srv)
	for i := range 40 {
		s.add(&row{at: time.Now().Add(time.Duration(i%4) * time.Millisecond)})
		if i%2 == 0 {
			require.NoError(t, nc.Publish("rows.due", nil))
		}
		if i == 20 {
			stop()
		}
	}
	require.Eventually(t, func() bool { return s.left() == 0 }, time.Minute, time.Millisecond)
	for _, r := range s.rows {
		require.Equal(t, 1, r.done)
	}
}

// alone runs the loop of one instance, without messages unless the test sends them,
// until stop is called.
func alone(t *testing.T, s *table) (woken chan struct{}, stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	woken = make(chan struct{}, 1)
	go func() {
		ended <- Rows{Name: "rows", Next: s.next, Take: s.take}.loop(ctx, woken, slog.New(slog.DiscardHandler))
	}()
	synctest.Wait()
	return woken, func() { cancel(); require.NoError(t, <-ended) }
}

// TestALostMessageCostsTheSweep: the row is taken all the same.
func TestALostMessageCostsTheSweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &table{}
		_, stop := alone(t, s)
		defer stop()
		s.add(&row{at: time.Now()})
		time.Sleep(Sweep)
		synctest.Wait()
		require.Zero(t, s.left())
	})
}

// TestAMessageTakesARowAtOnce, and the next is taken when it is due.
func TestAMessageTakesARowAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &table{}
		woken, stop := alone(t, s)
		defer stop()
		s.add(&row{at: time.Now()})
		s.add(&row{at: time.Now().Add(time.Second)})
		woken <- struct{}{}
		synctest.Wait()
		require.Equal(t, 1, s.left())
		time.Sleep(time.Second)
		synctest.Wait()
		require.Zero(t, s.left())
	})
}

// TestAllThatIsDueIsTakenAtOnce, whether Take reports more or not.
func TestAllThatIsDueIsTakenAtOnce(t *testing.T) {
	for _, more := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := &table{more: more}
			woken, stop := alone(t, s)
			defer stop()
			for range 10 {
				s.add(&row{at: time.Now()})
			}
			began := time.Now()
			woken <- struct{}{}
			synctest.Wait()
			require.Zero(t, s.left())
			require.Zero(t, time.Since(began))
		})
	}
}

// TestARowOutOfReachIsLookedAtLessAndLess: another instance holds it, or its work
// fails.
func TestARowOutOfReachIsLookedAtLessAndLess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &table{}
		s.add(&row{at: time.Now(), held: true})
		s.add(&row{at: time.Now(), fails: 3})
		_, stop := alone(t, s)
		defer stop()
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, 1, s.left(), "what failed is done in the end")
		require.Less(t, s.looks.Load(), int64(30), "looks in a minute")
		s.mu.Lock()
		s.rows[0].held = false
		s.mu.Unlock()
		time.Sleep(Sweep)
		synctest.Wait()
		require.Zero(t, s.left())
	})
}

// TestSeveralCallsOfTakeRunAtATime, as many as the rows allow and no more.
func TestSeveralCallsOfTakeRunAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var left, now, most atomic.Int64
		left.Store(8)
		rows := Rows{Name: "rows", AtOnce: 4, Take: func(context.Context) (bool, error) {
			if left.Add(-1) < 0 {
				return false, hodei.NotFound
			}
			most.Store(max(most.Load(), now.Add(1)))
			defer now.Add(-1)
			time.Sleep(time.Second)
			return true, nil
		}}
		began := time.Now()
		took, err := rows.takeAll(t.Context())
		require.NoError(t, err)
		require.True(t, took)
		require.Equal(t, 2*time.Second, time.Since(began))
		require.Equal(t, int64(4), most.Load())
	})
}
