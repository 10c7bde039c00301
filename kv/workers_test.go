package kv_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/local/localtest"
	"github.com/hodei-jobs/hodei/kv"
	"github.com/hodei-jobs/hodei/schemas"
)

func report(id hodei.WorkerID, free int, revision uint64) hodei.Availability {
	return hodei.Availability{WorkerID: id, Type: "shell", Status: hodei.WorkerBusy, Slots: 100, Free: free, Revision: revision}
}

// TestWatchIgnoresInvalidKeysAndValues: a value under the key of another
// worker, numbers out of range, and an invalid value. Fields of a later version
// are ignored.
func TestWatchIgnoresInvalidKeysAndValues(t *testing.T) {
	t.Parallel()
	_, js := localtest.JetStream(t)
	raw, err := js.KeyValue(t.Context(), schemas.WorkersBucket)
	require.NoError(t, err)
	id := hodei.WorkerID{15: 1}
	put := func(key string, a hodei.Availability, change func(map[string]any)) {
		body, err := hodei.JSON(a)
		require.NoError(t, err)
		var fields map[string]any
		require.NoError(t, json.Unmarshal(body, &fields))
		change(fields)
		body, err = hodei.JSON(fields)
		require.NoError(t, err)
		_, err = raw.Put(t.Context(), key, body)
		require.NoError(t, err)
	}
	wrong := map[string]any{"slots": -1, "free": 101, "revision": uint64(1) << 63, "status": "X", "type": "\x00", "at": "0000-01-01T00:00:00Z"}
	for field, value := range wrong {
		put(id.String(), report(id, 1, 1), func(f map[string]any) { f[field] = value })
	}
	put(hodei.WorkerID{15: 2}.String(), report(id, 1, 1), func(map[string]any) {})
	put("nonsense", report(id, 1, 1), func(map[string]any) {})
	_, err = raw.Put(t.Context(), hodei.WorkerID{15: 3}.String(), []byte("nonsense"))
	require.NoError(t, err)
	put(hodei.WorkerID{15: 4}.String(), report(hodei.WorkerID{15: 4}, 7, 1), func(f map[string]any) { f["of_a_later_version"] = 1 })

	bucket, err := kv.OpenWorkers(t.Context(), js)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var updates []kv.Update
	require.NoError(t, bucket.Watch(ctx, func(u kv.Update) {
		if updates = append(updates, u); u.Synced {
			cancel()
		}
	}))
	require.Len(t, updates, 2)
	require.Equal(t, 7, updates[0].Availability.Free)
}

// TestAWatchEndsWithItsBucket: a recreated bucket counts its revisions from 1,
// and an old watch would skip them.
func TestAWatchEndsWithItsBucket(t *testing.T) {
	t.Parallel()
	_, js := localtest.JetStream(t)
	worker := hodei.WorkerID{1}
	put := func(reports int) {
		bucket, err := kv.OpenWorkers(t.Context(), js)
		require.NoError(t, err)
		for range reports {
			require.NoError(t, bucket.Put(t.Context(), report(worker, reports, 1)))
		}
	}
	put(20)
	watch := func() (updates chan kv.Update, ended chan error) {
		bucket, err := kv.OpenWorkers(t.Context(), js)
		require.NoError(t, err)
		updates, ended = make(chan kv.Update, 100), make(chan error, 1)
		ctx, cancel := context.WithCancel(t.Context())
		t.Cleanup(func() { cancel(); <-ended })
		go func() { ended <- bucket.Watch(ctx, func(u kv.Update) { updates <- u }); close(ended) }()
		return updates, ended
	}
	next := func(updates chan kv.Update) kv.Update {
		select {
		case u := <-updates:
			return u
		case <-time.After(30 * time.Second):
			require.FailNow(t, "the watch did not end")
			panic("unreachable")
		}
	}
	updates, ended := watch()
	require.Equal(t, 20, next(updates).Availability.Free)
	require.True(t, next(updates).Synced)

	require.NoError(t, js.DeleteStream(t.Context(), schemas.WorkersStream))
	require.NoError(t, kv.Setup(t.Context(), js, kv.Storage{}))
	put(3)
	select {
	case err := <-ended:
		require.Error(t, err)
	case <-time.After(30 * time.Second):
		require.FailNow(t, "the watch waits for a revision that is far away")
	}
	updates, _ = watch()
	require.Equal(t, 3, next(updates).Availability.Free)
}

// TestWatchReportsEveryChange: the initial content, then at least the last
// report of each worker, in order, and the expired keys.
func TestWatchReportsEveryChange(t *testing.T) {
	t.Parallel()
	_, js := localtest.JetStream(t)
	bucket, err := kv.OpenWorkers(t.Context(), js)
	require.NoError(t, err)
	const workers, revisions = 40, 50
	report := func(revision uint64) {
		for i := range workers {
			require.NoError(t, bucket.Put(t.Context(), report(hodei.WorkerID{byte(i), 1}, 1, revision)))
		}
	}
	report(1)
	ctx, cancel := context.WithCancel(t.Context())
	updates := make(chan kv.Update, 2*workers*revisions)
	ended := make(chan error, 1)
	go func() { ended <- bucket.Watch(ctx, func(u kv.Update) { updates <- u }) }()
	for range workers {
		require.EqualValues(t, 1, (<-updates).Availability.Revision)
	}
	require.Equal(t, kv.Update{Synced: true}, <-updates)
	for revision := range revisions - 1 {
		report(uint64(revision) + 2)
	}
	for i := range workers {
		require.NoError(t, bucket.Delete(t.Context(), hodei.WorkerID{byte(i), 1}))
	}
	latest := map[hodei.WorkerID]uint64{}
	for gone := 0; gone < workers; {
		u := <-updates
		if u.Availability == nil {
			gone++
			continue
		}
		require.Greater(t, u.Availability.Revision, latest[u.WorkerID])
		latest[u.WorkerID] = u.Availability.Revision
	}
	cancel()
	require.NoError(t, <-ended)
	require.Empty(t, updates)
}

// TestAWatchEndsWithItsConnection: a change during the outage could be missed.
func TestAWatchEndsWithItsConnection(t *testing.T) {
	t.Parallel()
	nc, js := localtest.JetStream(t)
	bucket, err := kv.OpenWorkers(t.Context(), js)
	require.NoError(t, err)
	synced, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- bucket.Watch(t.Context(), func(kv.Update) { close(synced) }) }()
	<-synced
	require.NoError(t, nc.ForceReconnect())
	select {
	case err := <-ended:
		require.Error(t, err)
	case <-time.After(30 * time.Second):
		require.FailNow(t, "it watches on")
	}
}

// TestStreamsUseTheConfiguredStorage: the streams use the configured storage.
func TestStreamsUseTheConfiguredStorage(t *testing.T) {
	t.Parallel()
	_, js := localtest.JetStream(t)
	limit := func(name string) int64 {
		stream, err := js.Stream(t.Context(), name)
		require.NoError(t, err)
		return stream.CachedInfo().Config.MaxBytes
	}
	require.EqualValues(t, 2<<30, limit(schemas.LogStream))
	require.EqualValues(t, 1<<30, limit(schemas.EventStream))
	_, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "OTHER", Subjects: []string{"other"}, MaxBytes: 4 << 30})
	require.NoError(t, err)
	require.Error(t, kv.Setup(t.Context(), js, kv.Storage{MaxBytes: 6 << 30}), "so much is not there")
	require.NoError(t, kv.Setup(t.Context(), js, kv.Storage{MaxBytes: 300}))
	require.EqualValues(t, 200, limit(schemas.LogStream))
	require.EqualValues(t, 100, limit(schemas.EventStream))
}

// Every worker renews once in each period, at the same moment of it. There are
// few moments, with equally many workers each.
func TestRenewalsAreSpreadAndKeepTogether(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		id := hodei.WorkerID(uuid.Must(uuid.NewV7()))
		every := time.Duration(rapid.Int64Range(int64(100*time.Millisecond), int64(time.Minute)).Draw(t, "every"))
		now := time.Now().Add(time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "later")))
		wait := kv.UntilRenewal(id, now, every)
		require.Positive(t, wait)
		require.LessOrEqual(t, wait, every)
		at := now.Add(wait)
		require.Equal(t, every, kv.UntilRenewal(id, at, every))
		early := time.Duration(rapid.Int64Range(1, int64(every)-1).Draw(t, "early"))
		require.Equal(t, early, kv.UntilRenewal(id, at.Add(-early), every))
	})
	now, moments := time.Now(), map[time.Duration]int{}
	for range 10_000 {
		moments[kv.UntilRenewal(hodei.WorkerID(uuid.Must(uuid.NewV7())), now, kv.Renew)]++
	}
	require.Len(t, moments, 20)
	for _, workers := range moments {
		require.InDelta(t, 500, workers, 150)
	}
}
