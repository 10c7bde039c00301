package localtest

import (
	"log/slog"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei/internal/local"
	"github.com/hodei-jobs/hodei/kv"
)

// Log returns a logger that writes to the test's output.
func Log(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// NATS starts a server with an empty store on a free port, for this test only.
func NATS(t testing.TB) *local.NATS {
	t.Helper()
	srv, err := local.StartNATS(local.NATSConfig{StoreDir: t.TempDir(), Log: Log(t)})
	require.NoError(t, err)
	t.Cleanup(srv.Shutdown)
	return srv
}

// Connect connects to the server until the test ends.
func Connect(t testing.TB, srv *local.NATS) *nats.Conn {
	t.Helper()
	nc, err := srv.Connect(t.Name(), Log(t))
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	return nc
}

// JetStream starts a server with Hodei's streams and bucket.
func JetStream(t testing.TB) (*nats.Conn, jetstream.JetStream) {
	t.Helper()
	nc := Connect(t, NATS(t))
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	require.NoError(t, kv.Setup(t.Context(), js, kv.Storage{}))
	return nc, js
}
