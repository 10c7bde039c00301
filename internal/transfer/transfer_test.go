package transfer_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/transfer"
	"github.com/hodei-jobs/hodei/schemas"
	"github.com/hodei-jobs/hodei/services/artifacts/blob"
)

// link is a store behind requests of which some fail: before they arrive, or after.
type link struct {
	store    *blob.Dir
	id       hodei.BlobID
	want     hodei.Blob
	mu       sync.Mutex
	fails    func() bool
	inFlight int
	most     int
	written  int
	stored   bool
}

var errCut = hodei.Errorf(hodei.Unavailable, "the connection is cut")

// do performs a request, and loses it or its answer.
func (l *link) do(fn func() error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fails() {
		return errCut
	}
	if err := fn(); err != nil {
		return err
	}
	if l.fails() {
		return errCut
	}
	return nil
}

func (l *link) wire() transfer.Wire {
	return transfer.Wire{
		Begin: func(ctx context.Context, b hodei.Blob) (up schemas.Upload, err error) {
			err = l.do(func() (err error) {
				up = schemas.Upload{ID: l.id, Stored: l.stored}
				up.Offset, err = l.store.Received(ctx, l.id)
				return err
			})
			return up, err
		},
		Write: func(ctx context.Context, id hodei.BlobID, offset int64, data []byte) error {
			l.mu.Lock()
			l.inFlight++
			l.most = max(l.most, l.inFlight)
			l.mu.Unlock()
			defer func() { l.mu.Lock(); l.inFlight--; l.mu.Unlock() }()
			return l.do(func() error { l.written++; return l.store.Write(ctx, id, offset, data) })
		},
		Commit: func(ctx context.Context, id hodei.BlobID) error {
			return l.do(func() error {
				err := l.store.Complete(ctx, id, l.want)
				l.stored = err == nil
				return err
			})
		},
		Read: func(ctx context.Context, b hodei.Blob, offset int64) (data []byte, err error) {
			err = l.do(func() error {
				data = make([]byte, min(schemas.ChunkBytes, b.Size-offset))
				_, err := l.store.Read(ctx, l.id, offset, data)
				return err
			})
			return data, err
		},
	}
}

func newLink(t *testing.T, size int) (*link, []byte) {
	t.Helper()
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(rand.Uint32())
	}
	store, err := blob.OpenDir(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { store.Close() })
	return &link{store: store, id: hodei.BlobID{1}, want: hodei.Blob{SHA256: hodei.DigestOf(sha256.Sum256(data)), Size: int64(size)}, fails: func() bool { return false }}, data
}

// TestCutTransfers: whatever requests and answers are lost, the content arrives as it is, and
// nothing is readable before all of it has arrived.
func TestCutTransfers(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		size := rapid.SampledFrom([]int{0, 1, schemas.ChunkBytes - 1, schemas.ChunkBytes, 3*schemas.ChunkBytes + 7}).Draw(rt, "size")
		seed := rapid.Uint64().Draw(rt, "seed")
		synctest.Test(t, func(t *testing.T) { // the pauses between repetitions take no time
			l, data := newLink(t, size)
			random := rand.New(rand.NewPCG(seed, 1))
			l.fails = func() bool { return random.IntN(4) == 0 }
			_, err := l.store.Read(t.Context(), l.id, 0, make([]byte, 1))
			require.ErrorIs(t, err, hodei.NotFound)
			require.NoError(t, transfer.Put(t.Context(), l.wire(), l.want, bytes.NewReader(data)))
			require.NoError(t, transfer.Put(t.Context(), l.wire(), l.want, bytes.NewReader(data)), "a repeat changes nothing")
			var got bytes.Buffer
			require.NoError(t, get(t.Context(), l.wire(), l.want, &got))
			require.True(t, bytes.Equal(data, got.Bytes()))
			require.LessOrEqual(t, l.most, transfer.Window)
		})
	})
}

// TestAnUploadGoesOn: a second attempt sends what has not arrived.
func TestAnUploadGoesOn(t *testing.T) {
	l, data := newLink(t, 10*schemas.ChunkBytes)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	l.fails = func() bool {
		if l.written == 6 {
			cancel()
		}
		return l.written >= 6
	}
	require.Error(t, transfer.Put(ctx, l.wire(), l.want, bytes.NewReader(data)))
	l.fails = func() bool { return false }
	before, err := l.store.Received(t.Context(), l.id)
	require.NoError(t, err)
	require.NoError(t, transfer.Put(t.Context(), l.wire(), l.want, bytes.NewReader(data)))
	require.LessOrEqual(t, l.written, 6+10-int(before/schemas.ChunkBytes))
}

// TestLostPartsBeginAnew: if the store has lost parts, the upload begins again by itself.
func TestLostPartsBeginAnew(t *testing.T) {
	l, data := newLink(t, 3*schemas.ChunkBytes)
	other := bytes.Repeat([]byte{1}, schemas.ChunkBytes)
	require.NoError(t, l.store.Write(t.Context(), l.id, 0, other), "the first part is wrong, and counts as received")
	require.NoError(t, transfer.Put(t.Context(), l.wire(), l.want, bytes.NewReader(data)))
	l.want.SHA256 = hodei.DigestOf([32]byte{1})
	l.id, l.stored = hodei.BlobID{2}, false
	err := transfer.Put(t.Context(), l.wire(), l.want, bytes.NewReader(data))
	require.ErrorIs(t, err, hodei.Conflict, "content that has another digest is not stored")
	_, err = l.store.Read(t.Context(), l.id, 0, make([]byte, 1))
	require.ErrorIs(t, err, hodei.NotFound)
}

// TestWrongContentIsAnError: what is received is verified.
func TestWrongContentIsAnError(t *testing.T) {
	l, data := newLink(t, 2*schemas.ChunkBytes)
	require.NoError(t, transfer.Put(t.Context(), l.wire(), l.want, bytes.NewReader(data)))
	wrong := l.want
	wrong.SHA256 = hodei.DigestOf([32]byte{1})
	require.Error(t, get(t.Context(), l.wire(), wrong, &bytes.Buffer{}))
	stop := errors.New("stop")
	l.fails = func() bool { return true }
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stop)
	require.Error(t, get(ctx, l.wire(), l.want, &bytes.Buffer{}), "a cut transfer is not the end of the content")
}

// get writes the content in order and verifies it.
func get(ctx context.Context, w transfer.Wire, b hodei.Blob, to io.Writer) error {
	from := transfer.Open(ctx, w, b)
	defer from.Close()
	if _, err := io.Copy(to, from); err != nil {
		return err
	}
	return from.Err()
}
