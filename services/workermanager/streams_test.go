package workermanager

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei/internal/local/localtest"
	"github.com/hodei-jobs/hodei/kv"
	"github.com/hodei-jobs/hodei/kv/check"
	"github.com/hodei-jobs/hodei/schemas"
)

// TestLostStreams: each deleted stream and bucket is created again, and
// workers' reports arrive as before.
func TestLostStreams(t *testing.T) {
	t.Parallel()
	b := start(t)
	for _, name := range schemas.Streams {
		require.NoError(t, b.js.DeleteStream(t.Context(), name))
		b.until(name+" is there again", func() bool {
			_, err := b.js.Stream(t.Context(), name)
			return err == nil
		})
	}
	var err error
	b.bucket, err = kv.OpenWorkers(t.Context(), b.js)
	require.NoError(t, err)
	h := b.worker()
	h.keepReporting() // as workers do: a watcher of the deleted bucket notices after a while
	b.until("the worker's report arrives", func() bool { return len(b.fleet.reporting()) == 1 })
	require.Equal(t, h.id, b.fleet.reporting()[0].id)
}

// The health of the service names a missing stream and, with replicas, the
// exceeded thresholds of a stream.
func TestHealthOfStreams(t *testing.T) {
	t.Parallel()
	nc, js := localtest.JetStream(t)
	m := &Manager{nc: nc, cfg: Config{Storage: kv.Storage{Replicas: 3}}}
	require.NoError(t, m.checkStreams(check.Streams(nc, time.Minute)))
	require.NoError(t, checkReplicas(check.Streams(nc, time.Minute)))

	stream, err := js.Stream(t.Context(), schemas.LogStream)
	require.NoError(t, err)
	cfg := stream.CachedInfo().Config
	cfg.Metadata["io.nats.monitor.peer-expect"] = "3"
	_, err = js.UpdateStream(t.Context(), cfg)
	require.NoError(t, err)
	require.ErrorContains(t, checkReplicas(check.Streams(nc, time.Minute)), schemas.LogStream+": Stream is not clustered")
	require.NoError(t, m.checkStreams(check.Streams(nc, time.Minute)), "the service goes on working")

	require.NoError(t, js.DeleteStream(t.Context(), schemas.EventStream))
	require.ErrorContains(t, m.checkStreams(check.Streams(nc, time.Minute)), schemas.EventStream+" is missing")
}
