package kv_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei/internal/local/localtest"
	"github.com/hodei-jobs/hodei/kv"
	"github.com/hodei-jobs/hodei/schemas"
)

// acquired returns once the candidate has the lease, and when that was.
func acquired(t *testing.T, l *kv.Leader) <-chan time.Time {
	t.Helper()
	at := make(chan time.Time, 1)
	go func() {
		if l.Acquire(t.Context()) == nil {
			at <- time.Now()
		}
	}()
	return at
}

// awaitRevision returns once the key has been written so often.
func awaitRevision(t *testing.T, js jetstream.JetStream, revision uint64) {
	t.Helper()
	bucket, err := js.KeyValue(t.Context(), schemas.LeadersBucket)
	require.NoError(t, err)
	renewed := func() bool {
		entry, err := bucket.Get(t.Context(), "test")
		return err == nil && entry.Revision() >= revision
	}
	require.Eventually(t, renewed, time.Minute, 10*time.Millisecond)
}

// TestOneInstanceLeads: the next one acquires the lease when the first gives it up, and
// not before, however often the first renews it.
func TestOneInstanceLeads(t *testing.T) {
	t.Parallel()
	_, js := localtest.JetStream(t)
	first, second := kv.NewLeader(js, "test"), kv.NewLeader(js, "test")
	require.False(t, first.Trusted())
	require.NoError(t, first.Acquire(t.Context()))
	require.True(t, first.Trusted())
	next := acquired(t, second)
	err := first.Hold(t.Context(), func(ctx context.Context) error {
		awaitRevision(t, js, 10)
		require.True(t, first.Trusted())
		require.False(t, second.Trusted())
		require.NoError(t, ctx.Err())
		return nil
	})
	require.NoError(t, err)
	require.False(t, first.Trusted())
	<-next
	require.True(t, second.Trusted())
}

// TestTrustEndsBeforeTheLease: a leader that cannot renew its key has stopped trusting
// its lease by the time at which another one acquires it.
func TestTrustEndsBeforeTheLease(t *testing.T) {
	t.Parallel()
	srv := localtest.NATS(t)
	nc := localtest.Connect(t, srv)
	cut, err := jetstream.New(nc)
	require.NoError(t, err)
	js, err := jetstream.New(localtest.Connect(t, srv))
	require.NoError(t, err)
	require.NoError(t, kv.Setup(t.Context(), js, kv.Storage{}))
	first, second := kv.NewLeader(cut, "test"), kv.NewLeader(js, "test")
	require.NoError(t, first.Acquire(t.Context()))
	next := acquired(t, second)
	var trusted atomic.Int64 // when the first one trusted its lease last
	err = first.Hold(t.Context(), func(ctx context.Context) error {
		nc.Close()
		for first.Trusted() {
			trusted.Store(time.Now().UnixNano())
			time.Sleep(time.Millisecond)
		}
		<-ctx.Done()
		return nil
	})
	require.NoError(t, err)
	require.Less(t, trusted.Load(), (<-next).UnixNano())
}

// TestALostLeaseEndsTheLead: the bucket was deleted and made anew, and another instance
// was quicker.
func TestALostLeaseEndsTheLead(t *testing.T) {
	t.Parallel()
	_, js := localtest.JetStream(t)
	first, second := kv.NewLeader(js, "test"), kv.NewLeader(js, "test")
	require.NoError(t, first.Acquire(t.Context()))
	err := first.Hold(t.Context(), func(ctx context.Context) error {
		awaitRevision(t, js, 3) // a bucket made anew counts from 1 again
		require.NoError(t, js.DeleteStream(t.Context(), schemas.LeadersStream))
		require.NoError(t, kv.Setup(t.Context(), js, kv.Storage{}))
		require.NoError(t, second.Acquire(t.Context()))
		<-ctx.Done()
		return nil
	})
	require.NoError(t, err)
	require.NoError(t, second.Hold(t.Context(), func(context.Context) error {
		require.True(t, second.Trusted(), "the first one did not delete its key")
		return nil
	}))
}

// TestAStandbyThatLeavesKeepsTheLease of the leader as it is.
func TestAStandbyThatLeavesKeepsTheLease(t *testing.T) {
	t.Parallel()
	_, js := localtest.JetStream(t)
	first, second := kv.NewLeader(js, "test"), kv.NewLeader(js, "test")
	require.NoError(t, first.Acquire(t.Context()))
	require.False(t, second.TryAcquire(t.Context()))
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.Error(t, second.Acquire(ended))
	require.NoError(t, second.Hold(ended, func(context.Context) error { return nil }))
	bucket, err := js.KeyValue(t.Context(), schemas.LeadersBucket)
	require.NoError(t, err)
	history, err := bucket.History(t.Context(), "test")
	require.NoError(t, err)
	require.NotEmpty(t, history)
	require.Equal(t, jetstream.KeyValuePut, history[len(history)-1].Operation())
}

// TestALeaseSurvivesOtherWrites: a worker has JetStream acknowledge its own key on the subject
// of the lease.
func TestALeaseSurvivesOtherWrites(t *testing.T) {
	t.Parallel()
	nc, js := localtest.JetStream(t)
	leader, kept := kv.NewLeader(js, "test"), false
	for try := 0; try < 5 && !kept; try++ { // a busy machine may lose it
		require.NoError(t, leader.Acquire(t.Context()))
		err := leader.Hold(t.Context(), func(ctx context.Context) error {
			for began := time.Now(); time.Since(began) < 2*kv.Term && ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
				require.NoError(t, nc.PublishMsg(&nats.Msg{Subject: "$KV.WORKERS.x", Reply: schemas.LeaderSubject("test"), Data: []byte("{}")}))
			}
			kept = ctx.Err() == nil
			return nil
		})
		require.NoError(t, err)
	}
	require.True(t, kept, "the lease is lost each time")
}

// TestALeaseIsAcquiredAmongOtherWrites by one candidate at a time, also after a leader has left.
func TestALeaseIsAcquiredAmongOtherWrites(t *testing.T) {
	t.Parallel()
	nc, js := localtest.JetStream(t)
	writing, stop := context.WithCancel(t.Context())
	var writer sync.WaitGroup
	defer writer.Wait()
	defer stop()
	writer.Go(func() {
		for ; writing.Err() == nil; time.Sleep(20 * time.Millisecond) {
			_ = nc.PublishMsg(&nats.Msg{Subject: "$KV.WORKERS.x", Reply: schemas.LeaderSubject("test"), Data: []byte("{}")})
		}
	})
	bucket, err := js.KeyValue(t.Context(), schemas.LeadersBucket)
	require.NoError(t, err)
	require.Eventually(t, func() bool { _, err := bucket.Get(t.Context(), "test"); return err == nil }, time.Minute, time.Millisecond)
	first, second := kv.NewLeader(js, "test"), kv.NewLeader(js, "test")
	one, other := acquired(t, first), acquired(t, second)
	for range 3 {
		select {
		case <-one:
		case <-other:
			first, second, one, other = second, first, other, one
		case <-time.After(time.Minute):
			require.FailNow(t, "not acquired")
		}
		err := first.Hold(t.Context(), func(ctx context.Context) error {
			for i := 0; i < 50 && ctx.Err() == nil; i++ { // a busy machine may lose it
				require.False(t, second.Trusted() && first.Trusted(), "two lead")
				time.Sleep(30 * time.Millisecond)
			}
			return nil
		})
		require.NoError(t, err)
		one = acquired(t, first)
	}
}
