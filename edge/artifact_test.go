package edge_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/client"
	"github.com/hodei-jobs/hodei/edge"
	"github.com/hodei-jobs/hodei/internal/local/localtest"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
)

// depot is an edge before a service that has one artifact.
type depot struct {
	artifact hodei.Artifact
	content  []byte
	base     string
	reads    atomic.Int64 // requests for a chunk
}

func newDepot(tb testing.TB, size int) *depot {
	tb.Helper()
	nc, _ := localtest.JetStream(tb)
	d := &depot{content: make([]byte, size)}
	_, _ = rand.NewChaCha8([32]byte{1}).Read(d.content) // never fails
	d.artifact = hodei.Artifact{ID: newID[hodei.ArtifactID](), Name: "data", Size: int64(size), SHA256: hodei.DigestOf(sha256.Sum256(d.content))}
	svc := rpc.New(rpc.Config{NATS: nc, Name: "artifacts", Log: localtest.Log(tb)})
	rpc.Handle(svc, schemas.GetArtifact, func(context.Context, schemas.GetArtifactRequest) (hodei.Artifact, error) { return d.artifact, nil })
	rpc.Handle(svc, schemas.ReadArtifact, func(_ context.Context, req schemas.ReadArtifactRequest) (schemas.Chunk, error) {
		d.reads.Add(1)
		data := d.content[req.Offset:]
		return schemas.Chunk{Attached: schemas.Attached{Data: data[:min(len(data), schemas.ChunkBytes)]}}, nil
	})
	localtest.Run(tb, svc.Run, svc.Ready())
	e := edge.New(edge.Config{NATS: nc, Log: localtest.Log(tb)})
	localtest.Run(tb, e.Run, e.Ready())
	d.base = "http://" + e.Addrs()[0]
	return d
}

func (d *depot) url() string { return d.base + "/artifacts/" + d.artifact.ID.String() + "/content" }

// A range costs the chunks that it has: clients read content in ranges of one chunk.
func TestRangesReadNoMore(t *testing.T) {
	t.Parallel()
	const size = 20*schemas.ChunkBytes + 100
	d := newDepot(t, size)
	for first, last := range map[int]int{
		0: schemas.ChunkBytes - 1, 7: schemas.ChunkBytes + 6, 5 * schemas.ChunkBytes: 5*schemas.ChunkBytes + 9, size - 100: size - 1,
	} {
		d.reads.Store(0)
		resp := do(t, "GET", d.url(), "", fmt.Sprintf("Range: bytes=%d-%d", first, last))
		require.Equal(t, http.StatusPartialContent, resp.StatusCode)
		require.Equal(t, string(d.content[first:last+1]), text(t, resp))
		require.Equal(t, int64(1), d.reads.Load(), "from %d to %d", first, last)
	}
	d.reads.Store(0)
	require.True(t, text(t, do(t, "GET", d.url(), "")) == string(d.content), "the whole content")
	require.Equal(t, int64(21), d.reads.Load())
	d.reads.Store(0)
	require.True(t, text(t, do(t, "GET", d.url(), "", fmt.Sprintf("Range: bytes=%d-", 3*schemas.ChunkBytes))) == string(d.content[3*schemas.ChunkBytes:]), "the rest")
	require.Equal(t, int64(18), d.reads.Load())
}

// BenchmarkDownload is for the throughput of a whole download, by a browser and by the SDK.
func BenchmarkDownload(b *testing.B) {
	d := newDepot(b, 64<<20)
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	for name, read := range map[string]func() (io.ReadCloser, error){
		"whole": func() (io.ReadCloser, error) {
			resp, err := (&http.Client{Transport: transport}).Get(d.url())
			if err != nil {
				return nil, err
			}
			return resp.Body, nil
		},
		"sdk": func() (io.ReadCloser, error) { return client.HTTP(d.base).OpenArtifact(b.Context(), d.artifact), nil },
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(d.content)))
			for b.Loop() {
				content, err := read()
				require.NoError(b, err)
				var got bytes.Buffer
				_, err = io.Copy(&got, content)
				require.NoError(b, err)
				require.NoError(b, content.Close())
				require.Equal(b, len(d.content), got.Len())
			}
		})
	}
}
