package kv_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei/internal/local"
	"github.com/hodei-jobs/hodei/internal/local/localtest"
	"github.com/hodei-jobs/hodei/kv"
	"github.com/hodei-jobs/hodei/schemas"
)

// write publishes to the streams and the bucket until each has refused a
// message or accepted the given number. It returns those that refused one.
func write(t *testing.T, js jetstream.JetStream, messages int) (refused []string) {
	t.Helper()
	var mu sync.Mutex
	var all sync.WaitGroup
	for name, subject := range map[string]string{
		schemas.LogStream: "execution.log.w.x", schemas.EventStream: "execution.event.created.x", schemas.WorkersStream: "$KV.WORKERS.x",
		schemas.LeadersStream: schemas.LeaderSubject("x"),
	} {
		all.Go(func() {
			for range messages {
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				_, err := js.Publish(ctx, subject, make([]byte, 8<<10), jetstream.WithRetryAttempts(0))
				cancel()
				if err != nil {
					mu.Lock()
					defer mu.Unlock()
					refused = append(refused, name)
					return
				}
			}
		})
	}
	all.Wait()
	slices.Sort(refused)
	return refused
}

func keep(t *testing.T, js jetstream.JetStream) ([]string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	recreated, err := kv.Keep(ctx, js, kv.Storage{})
	slices.Sort(recreated)
	return recreated, err
}

// TestStreamsRecoverFromAFullDisk: streams that refuse messages after the disk
// was full are recreated once it has space, and not before.
func TestStreamsRecoverFromAFullDisk(t *testing.T) {
	t.Parallel()
	disk := localtest.NewDisk(t, 16<<20)
	srv, err := local.StartNATS(local.NATSConfig{StoreDir: disk.Dir, Log: localtest.Log(t)})
	require.NoError(t, err)
	t.Cleanup(srv.Shutdown)
	js, err := jetstream.New(localtest.Connect(t, srv))
	require.NoError(t, err)
	require.NoError(t, kv.Setup(t.Context(), js, kv.Storage{}))
	for range 2 {
		recreated, err := keep(t, js)
		require.NoError(t, err)
		require.Empty(t, recreated, "nothing was wrong")
	}
	require.Empty(t, write(t, js, 1))

	all := slices.Sorted(slices.Values(schemas.Streams))
	require.NoError(t, disk.Fill())
	require.Equal(t, all, write(t, js, 10))
	for range 2 {
		recreated, err := keep(t, js)
		require.Error(t, err)
		require.Empty(t, recreated, "what the streams hold can still be read")
	}
	require.NoError(t, disk.Free())
	require.Equal(t, all, write(t, js, 1), "the server does not recover by itself")
	recreated, err := keep(t, js)
	require.NoError(t, err)
	require.Equal(t, all, recreated)
	require.Empty(t, write(t, js, 10))
	recreated, err = keep(t, js)
	require.NoError(t, err)
	require.Empty(t, recreated)
}

// TestStreamsOfAnAccountWithoutSpace: an exceeded limit is reported, and
// nothing is recreated: the server recovers by itself.
func TestStreamsOfAnAccountWithoutSpace(t *testing.T) {
	t.Parallel()
	_, js := localtest.JetStream(t)
	account, err := js.AccountInfo(t.Context())
	require.NoError(t, err)
	left := account.Limits.MaxStore
	if left < 0 {
		left = 8 << 30 // from nats.conf
	}
	for _, name := range schemas.Streams {
		stream, err := js.Stream(t.Context(), name)
		require.NoError(t, err)
		left -= max(stream.CachedInfo().Config.MaxBytes, 0)
	}
	_, err = js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "FILLER", Subjects: []string{"filler"}, MaxBytes: left})
	require.NoError(t, err)
	recreated, err := keep(t, js)
	require.ErrorAs(t, err, new(*jetstream.APIError))
	require.Empty(t, recreated)
	require.NoError(t, js.DeleteStream(t.Context(), "FILLER"))
	recreated, err = keep(t, js)
	require.NoError(t, err)
	require.Empty(t, recreated)
}

func TestLostStreamsAreRecreated(t *testing.T) {
	t.Parallel()
	_, js := localtest.JetStream(t)
	for _, name := range append([]string{schemas.ProbeStream}, schemas.Streams...) {
		if err := js.DeleteStream(t.Context(), name); !errors.Is(err, jetstream.ErrStreamNotFound) {
			require.NoError(t, err)
		}
		recreated, err := keep(t, js)
		require.NoError(t, err)
		if name != schemas.ProbeStream {
			require.Equal(t, []string{name}, recreated)
		}
		_, err = js.Stream(t.Context(), name)
		require.NoError(t, err)
	}
}
