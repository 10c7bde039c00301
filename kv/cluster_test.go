package kv_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei/kv"
	"github.com/hodei-jobs/hodei/schemas"
)

// TestARestartingServerKeepsItsStream: the only server of a stream is away, while the rest of
// the cluster stores messages. The stream is not taken for one that refuses them.
func TestARestartingServerKeepsItsStream(t *testing.T) {
	t.Parallel()
	servers := startCluster(t)
	connect := func(srv *server.Server) jetstream.JetStream {
		nc, err := nats.Connect(srv.ClientURL())
		require.NoError(t, err)
		t.Cleanup(nc.Close)
		js, err := jetstream.New(nc)
		require.NoError(t, err)
		return js
	}
	js := connect(servers["n0"])
	require.Eventually(t, func() bool { return kv.Setup(t.Context(), js, kv.Storage{}) == nil }, time.Minute, 50*time.Millisecond)
	require.Eventually(t, func() bool { _, err := keep(t, js); return err == nil }, time.Minute, 50*time.Millisecond)
	home := func(name string) string {
		stream, err := js.Stream(t.Context(), name)
		if err != nil {
			return ""
		}
		return stream.CachedInfo().Cluster.Leader
	}

	lost := ""
	require.Eventually(t, func() bool { // the servers may not know each other yet
		for _, name := range schemas.Streams {
			if a, b := home(name), home(schemas.ProbeStream); a != b && a != "" && b != "" {
				lost = name
				return true
			}
		}
		_ = js.DeleteStream(t.Context(), schemas.ProbeStream) // to be placed again
		_, _ = keep(t, js)
		return false
	}, time.Minute, 50*time.Millisecond, "all streams are on one server")
	away := home(lost)
	for name, srv := range servers {
		if name != away {
			js = connect(srv)
		}
	}
	servers[away].Shutdown()
	offline := func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err := js.Stream(ctx, lost)
		return errors.As(err, new(*jetstream.APIError))
	}
	require.Eventually(t, offline, time.Minute, 50*time.Millisecond)
	recreated, err := keep(t, js)
	require.Error(t, err)
	require.Empty(t, recreated)
	_, err = js.Stream(t.Context(), lost)
	require.NotErrorIs(t, err, jetstream.ErrStreamNotFound)
}

// startCluster starts three servers by their names.
func startCluster(t *testing.T) map[string]*server.Server {
	t.Helper()
	ports, routes := make([]int, 3), make([]string, 3)
	for i := range ports {
		free, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		ports[i] = free.Addr().(*net.TCPAddr).Port
		routes[i] = fmt.Sprintf("nats://127.0.0.1:%d", ports[i])
		require.NoError(t, free.Close())
	}
	servers := map[string]*server.Server{}
	for i, port := range ports {
		name := fmt.Sprintf("n%d", i)
		srv, err := server.NewServer(&server.Options{
			ServerName: name, Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true,
			Cluster: server.ClusterOpts{Name: "hodei", Host: "127.0.0.1", Port: port}, Routes: server.RoutesFromStr(strings.Join(routes, ",")),
		})
		require.NoError(t, err)
		go srv.Start()
		t.Cleanup(func() { srv.Shutdown(); srv.WaitForShutdown() })
		servers[name] = srv
	}
	for _, srv := range servers {
		require.True(t, srv.ReadyForConnections(time.Minute))
	}
	return servers
}
