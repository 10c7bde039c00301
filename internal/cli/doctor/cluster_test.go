package doctor

import (
	"fmt"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei/internal/local/localtest"
	"github.com/hodei-jobs/hodei/kv"
	"github.com/hodei-jobs/hodei/schemas"
)

// freePort is a port of this machine that nothing listens on.
func freePort(t *testing.T) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	return l.Addr().(*net.TCPAddr).Port
}

// startCluster starts three servers with JetStream, which store each stream three times.
func startCluster(t *testing.T) (servers []*server.Server) {
	t.Helper()
	var ports [3]int
	var routes []*url.URL
	for i := range ports {
		ports[i] = freePort(t)
		routes = append(routes, &url.URL{Scheme: "nats-route", Host: fmt.Sprintf("127.0.0.1:%d", ports[i])})
	}
	for i, port := range ports {
		s, err := server.NewServer(&server.Options{
			ServerName: fmt.Sprint("n", i), Host: "127.0.0.1", Port: -1, NoLog: true, NoSigs: true, JetStream: true, StoreDir: t.TempDir(),
			Cluster: server.ClusterOpts{Name: "c", Host: "127.0.0.1", Port: port}, Routes: routes,
		})
		require.NoError(t, err)
		s.Start()
		t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
		servers = append(servers, s)
	}
	return servers
}

// A server that fails leaves streams with too few replicas: doctor and status report that,
// by the thresholds in the metadata of the streams.
func TestALostReplicaIsReported(t *testing.T) {
	t.Parallel()
	servers := startCluster(t)
	for _, s := range servers {
		require.True(t, s.ReadyForConnections(time.Minute))
	}
	nc, err := nats.Connect(servers[0].ClientURL()+","+servers[1].ClientURL(), nats.MaxReconnects(-1))
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	require.Eventually(t, func() bool { // until the cluster has a leader
		return kv.Setup(t.Context(), js, kv.Storage{Replicas: 3}) == nil
	}, time.Minute, 100*time.Millisecond)

	examine := func() (state string, shown string) {
		d := newDoctor()
		d.NATS = nc
		found, err := streams(nc)
		if err != nil {
			return err.Error(), ""
		}
		for _, f := range found {
			if !d.stream(f) {
				state += d.findings[len(d.findings)-1].Found + "; "
			}
			shown += f.String() + "; "
		}
		return state, shown
	}
	until := func(what string, met func(state, shown string) bool) {
		t.Helper()
		require.Eventually(t, func() bool { return met(examine()) }, time.Minute, 100*time.Millisecond, what)
	}
	until("all replicas are current", func(state, _ string) bool { return state == "" })
	servers[2].Shutdown()
	until("each stream lacks a replica", func(state, shown string) bool {
		for _, name := range schemas.Streams {
			if !strings.Contains(state, name+": 1 replicas offline") {
				return false
			}
		}
		return strings.Contains(shown, "; 1 replicas offline")
	})
}

// A stream with fewer replicas than the metadata asks for is unhealthy, whatever changed it.
func TestAThresholdThatIsExceededIsReported(t *testing.T) {
	t.Parallel()
	nc, js := localtest.JetStream(t)
	d := newDoctor()
	d.NATS = nc
	stream, err := js.Stream(t.Context(), schemas.EventStream)
	require.NoError(t, err)
	cfg := stream.CachedInfo().Config
	for value, want := range map[string]string{"3": "EXECUTION_EVENTS: Stream is not clustered", "many": "a threshold that cannot be read"} {
		cfg.Metadata["io.nats.monitor.peer-expect"] = value
		_, err = js.UpdateStream(t.Context(), cfg)
		require.NoError(t, err)
		found, err := streams(d.NATS)
		require.NoError(t, err)
		d.findings = nil
		d.jetstream(t.Context(), found)
		require.Equal(t, "warn", d.findings[0].State)
		require.Contains(t, d.findings[0].Found, want)
	}
	require.NoError(t, kv.Setup(t.Context(), js, kv.Storage{}), "the worker manager sets the thresholds again")
	found, err := streams(d.NATS)
	require.NoError(t, err)
	for _, f := range found {
		require.Empty(t, f.Problems)
		require.Equal(t, "true", f.info.Config.Metadata["io.nats.monitor.enabled"])
	}
}
