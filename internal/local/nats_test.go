package local_test

import (
	"net"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei/internal/local"
	"github.com/hodei-jobs/hodei/internal/local/localtest"
	"github.com/hodei-jobs/hodei/kv"
	"github.com/hodei-jobs/hodei/schemas"
)

func TestNATSReadsTheShippedConfiguration(t *testing.T) {
	t.Parallel()
	nc := localtest.Connect(t, localtest.NATS(t))
	require.Equal(t, int64(4<<20), nc.MaxPayload())
	require.Equal(t, "hodei", nc.ConnectedServerName())
}

func TestNATSIsReachedOverTheNetwork(t *testing.T) {
	t.Parallel()
	srv := localtest.NATS(t)
	nc, err := nats.Connect(srv.URL())
	require.NoError(t, err)
	defer nc.Close()
	require.NoError(t, nc.Flush())
}

func TestNATSListensOnEveryAddressButNamesALoopback(t *testing.T) {
	t.Parallel()
	srv, err := local.StartNATS(local.NATSConfig{Host: "0.0.0.0", StoreDir: t.TempDir()})
	require.NoError(t, err)
	defer srv.Shutdown()
	require.Regexp(t, `^nats://127\.0\.0\.1:\d+$`, srv.URL())
}

func TestNATSReportsThatThePortIsTaken(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	_, err = local.StartNATS(local.NATSConfig{Port: port, StoreDir: t.TempDir()})
	require.EqualError(t, err, "port "+strconv.Itoa(port)+" on 127.0.0.1, wanted for NATS, is taken: --nats-port chooses another")
}

func TestNATSReportsAnUnusableStore(t *testing.T) {
	t.Parallel()
	_, err := local.StartNATS(local.NATSConfig{StoreDir: filepath.Join("/dev/null", "store")})
	require.ErrorContains(t, err, "/dev/null/store")
}

func TestNATSKeepsItsStreams(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for range 2 {
		srv, err := local.StartNATS(local.NATSConfig{StoreDir: dir, Log: localtest.Log(t)})
		require.NoError(t, err)
		nc, err := srv.Connect("test", localtest.Log(t))
		require.NoError(t, err)
		js, err := jetstream.New(nc)
		require.NoError(t, err)
		require.NoError(t, kv.Setup(t.Context(), js, kv.Storage{}))
		_, err = js.Publish(t.Context(), "execution.event.created.x", nil)
		require.NoError(t, err)
		nc.Close()
		srv.Shutdown()
	}
	srv, err := local.StartNATS(local.NATSConfig{StoreDir: dir})
	require.NoError(t, err)
	defer srv.Shutdown()
	js, err := jetstream.New(localtest.Connect(t, srv))
	require.NoError(t, err)
	stream, err := js.Stream(t.Context(), schemas.EventStream)
	require.NoError(t, err)
	require.EqualValues(t, 2, stream.CachedInfo().State.Msgs)
}
