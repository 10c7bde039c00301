package artifacts_test

import (
	"bytes"
	"context"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/local/localtest"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/internal/transfer"
	"github.com/hodei-jobs/hodei/schemas"
	"github.com/hodei-jobs/hodei/services/artifacts"
	"github.com/hodei-jobs/hodei/services/artifacts/blob"
)

// TestInstancesOfOneBucket: an instance dies in the middle of an upload, and two others that
// share its bucket finish it. In the middle of a download both of them die.
func TestInstancesOfOneBucket(t *testing.T) {
	t.Parallel()
	url := localtest.S3(t, nil)
	open := func() blob.Store {
		s, err := blob.OpenS3(t.Context(), blob.S3Config{URL: "s3://" + localtest.Bucket + "/prefix", Endpoint: url})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, s.Close()) })
		return s
	}
	b := newBench(t, artifacts.Config{Store: open()})
	kill := []func(){b.kill, func() {}}
	replace := func() {
		for i := range kill {
			kill[i]()
			_, kill[i] = b.instance(open())
		}
	}
	data := bytes.Repeat([]byte("content "), 20*schemas.ChunkBytes/8+1)
	upload := &midway{ReaderAt: bytes.NewReader(data), at: int64(len(data) / 2), do: replace}
	require.NoError(t, transfer.Put(t.Context(), b.wire(b.on), blobOf(data), upload))
	kept, err := b.keep(b.on, "app", data, nil)
	require.NoError(t, err)

	var once sync.Once
	b.sameContent(kept[0], data, func(offset int64) {
		if offset > int64(len(data)/2) {
			once.Do(replace)
		}
	})
}

// sameContent reads an artifact as people do, and repeats requests soon. It calls before with
// the offset of each.
func (b *bench) sameContent(a hodei.Artifact, data []byte, before func(offset int64)) {
	b.t.Helper()
	from := transfer.Open(b.t.Context(), transfer.Wire{Read: func(ctx context.Context, _ hodei.Blob, offset int64) ([]byte, error) {
		before(offset)
		ctx, cancel := context.WithTimeout(ctx, impatience)
		defer cancel()
		chunk, err := rpc.Call(ctx, b.nc, schemas.ReadArtifact, schemas.ReadArtifactRequest{ID: a.ID, Offset: offset})
		return chunk.Data, err
	}}, blobOf(data))
	defer from.Close()
	got, err := io.ReadAll(from)
	require.NoError(b.t, err)
	require.True(b.t, bytes.Equal(data, got))
}

// midway does something before it reads beyond an offset.
type midway struct {
	io.ReaderAt
	at   int64
	once sync.Once
	do   func()
}

func (m *midway) ReadAt(p []byte, offset int64) (int, error) {
	if offset > m.at {
		m.once.Do(m.do)
	}
	return m.ReaderAt.ReadAt(p, offset)
}

// impatience is how long a request waits for an instance that may be dead.
const impatience = time.Second
