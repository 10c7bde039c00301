package artifacts_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei/schemas"
	"github.com/hodei-jobs/hodei/services/artifacts"
)

// TestTransfersOverCutConnections: the connection of a worker is closed after any number of
// bytes, again and again. Its uploads and downloads go on, and the content is the same.
func TestTransfersOverCutConnections(t *testing.T) {
	t.Parallel()
	b := newBench(t, artifacts.Config{})
	addr, cuts := cutter(t, b.srv.URL())
	nc, err := nats.Connect("nats://"+addr, nats.ReconnectWait(time.Millisecond), nats.ReconnectJitter(0, 0), nats.MaxReconnects(-1), nats.RetryOnFailedConnect(true))
	require.NoError(t, err)
	defer nc.Close()
	whole := b.nc
	b.nc = nc
	data := bytes.Repeat([]byte("content "), 6*schemas.ChunkBytes/8+1)
	require.NoError(t, b.put(b.on, data))
	uploaded := cuts.Load()
	require.Positive(t, uploaded, "the connection was cut")
	b.nc = whole
	kept, err := b.keep(b.on, "app", data, nil)
	require.NoError(t, err)

	b.nc = nc
	b.sameContent(kept[0], data, func(int64) {})
	require.Greater(t, cuts.Load(), uploaded, "the connection was cut")
}

// cutter is a proxy that closes each connection after a random number of bytes in one of the
// directions, more than a chunk and less than the content. It counts that.
func cutter(t *testing.T, server string) (addr string, cuts *atomic.Int64) {
	t.Helper()
	at, err := url.Parse(server)
	require.NoError(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var running sync.WaitGroup
	t.Cleanup(func() { listener.Close(); running.Wait() })
	cuts = &atomic.Int64{}
	running.Go(func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", at.Host)
			if err != nil {
				near.Close()
				continue
			}
			carry := func(to, from net.Conn) {
				defer near.Close()
				defer far.Close()
				n := schemas.ChunkBytes + 50_000 + rand.Int64N(3*schemas.ChunkBytes)
				if copied, _ := io.CopyN(to, from, n); copied == n { // otherwise the other direction was cut
					cuts.Add(1)
				}
			}
			running.Go(func() { carry(far, near) })
			running.Go(func() { carry(near, far) })
		}
	})
	return listener.Addr().String(), cuts
}
