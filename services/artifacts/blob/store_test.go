package blob_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/pem"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/local/localtest"
	"github.com/hodei-jobs/hodei/services/artifacts/blob"
)

func TestMain(m *testing.M) { localtest.VerifyNoLeaks(m) }

// opened is a store of any kind.
type opened interface {
	blob.Store
	io.Closer
}

// stores are functions that open an instance of one store.
func stores(t *testing.T) map[string]func() opened {
	t.Helper()
	dir, url := t.TempDir(), localtest.S3(t, nil)
	return map[string]func() opened{
		"directory": func() opened {
			d, err := blob.OpenDir(dir)
			require.NoError(t, err)
			return d
		},
		"S3": func() opened { return openS3(t, url) },
	}
}

func openS3(t *testing.T, url string) *blob.S3 {
	t.Helper()
	s, err := blob.OpenS3(t.Context(), blob.S3Config{URL: "s3://" + localtest.Bucket + "/some/where/", Endpoint: url})
	require.NoError(t, err)
	return s
}

// content is random content with a name of its own.
func content(size int) (id hodei.BlobID, data []byte, want hodei.Blob) {
	data = make([]byte, size)
	random := rand.NewChaCha8([32]byte{byte(size)})
	random.Read(id[:])
	random.Read(data)
	return id, data, hodei.Blob{SHA256: hodei.DigestOf(sha256.Sum256(data)), Size: int64(size)}
}

// TestStores: two instances of a store take the parts of an upload in any order. The content
// is readable once it is complete, not before, and the same everywhere.
func TestStores(t *testing.T) {
	t.Parallel()
	for name, open := range stores(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			both := []opened{open(), open()}
			defer both[0].Close()
			defer both[1].Close()
			for _, size := range []int{1, 100_000, 5<<20 + 7} {
				id, data, want := content(size)
				upload(t, both, id, data)
				for _, s := range both {
					_, err := s.Read(t.Context(), id, 0, make([]byte, 1))
					require.ErrorIs(t, err, hodei.NotFound, "nothing is visible before")
				}
				for _, s := range both {
					require.NoError(t, s.Complete(t.Context(), id, want))
				}
				for _, s := range both {
					sameContent(t, s, id, data)
				}
				for _, s := range both {
					require.NoError(t, s.Delete(t.Context(), id))
					_, err := s.Read(t.Context(), id, 0, make([]byte, 1))
					require.ErrorIs(t, err, hodei.NotFound)
				}
			}
		})
	}
}

// upload writes the content in parts of a third, twice, in reverse order, and parts that
// overlap them.
func upload(t *testing.T, both []opened, id hodei.BlobID, data []byte) {
	t.Helper()
	step := len(data)/3 + 1
	var offsets []int
	for at := 0; at < len(data); at += step {
		offsets = append(offsets, at, at, at+step/2)
	}
	slices.Reverse(offsets)
	for i, at := range offsets {
		if at >= len(data) {
			continue
		}
		require.NoError(t, both[i%2].Write(t.Context(), id, int64(at), data[at:min(at+step, len(data))]))
		got, err := both[1-i%2].Received(t.Context(), id)
		require.NoError(t, err)
		if at > 0 {
			require.Zero(t, got, "the beginning is missing")
		} else {
			require.EqualValues(t, len(data), got)
		}
	}
}

// sameContent reads at the edges and beyond.
func sameContent(t *testing.T, s blob.Store, id hodei.BlobID, data []byte) {
	t.Helper()
	got := make([]byte, len(data)+1)
	n, err := s.Read(t.Context(), id, 0, got)
	require.NoError(t, err)
	require.True(t, bytes.Equal(data, got[:n]))
	for _, at := range []int{0, len(data) / 2, len(data) - 1, len(data), len(data) + 1} {
		for _, n := range []int{0, 1, 1000} {
			got := make([]byte, n)
			m, err := s.Read(t.Context(), id, int64(at), got)
			require.NoError(t, err)
			require.True(t, bytes.Equal(data[min(at, len(data)):min(at+n, len(data))], got[:m]), "%d at %d of %d", n, at, len(data))
		}
	}
}

// TestDamagedUploads: content with another digest, with a hole or without its end never
// becomes visible, and the upload begins anew.
func TestDamagedUploads(t *testing.T) {
	t.Parallel()
	for name, open := range stores(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open()
			defer s.Close()
			for _, size := range []int{1000, 5<<20 + 7} {
				id, data, want := content(size)
				third := size / 3
				for what, damage := range map[string]func(){
					"nothing":      func() {},
					"another byte": func() { data[size-1]++; upload(t, []opened{s, s}, id, data); data[size-1]-- },
					"no end":       func() { require.NoError(t, s.Write(t.Context(), id, 0, data[:2*third])) },
					"a hole": func() {
						require.NoError(t, s.Write(t.Context(), id, 0, data[:third]))
						require.NoError(t, s.Write(t.Context(), id, int64(2*third), data[2*third:]))
					},
				} {
					damage()
					require.ErrorIs(t, s.Complete(t.Context(), id, want), blob.ErrDamaged, what)
					_, err := s.Read(t.Context(), id, 0, make([]byte, 1))
					require.ErrorIs(t, err, hodei.NotFound, what)
					got, err := s.Received(t.Context(), id)
					require.NoError(t, err)
					require.Zero(t, got, what)
				}
				upload(t, []opened{s, s}, id, data)
				require.NoError(t, s.Complete(t.Context(), id, want))
				sameContent(t, s, id, data)
				require.NoError(t, s.Delete(t.Context(), id))
			}
		})
	}
}

// TestAnInstanceDiesWhileItCompletes: an instance is cut off at one of its requests, before
// or after the server has acted on it. Another instance completes the upload, and the bucket
// is empty once the content is deleted.
func TestAnInstanceDiesWhileItCompletes(t *testing.T) {
	t.Parallel()
	server := localtest.S3Handler(t)
	var left atomic.Int64
	left.Store(1 << 30)
	var die atomic.Pointer[context.CancelFunc]
	first := openS3(t, localtest.S3(t, func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch n := left.Add(-1); {
			case n > 1:
				server.ServeHTTP(w, r)
				return
			case n == 1:
				server.ServeHTTP(httptest.NewRecorder(), r)
			}
			if cancel := die.Load(); cancel != nil {
				(*cancel)()
			}
			panic(http.ErrAbortHandler)
		})
	}))
	defer first.Close()
	second := openS3(t, localtest.S3(t, func(http.Handler) http.Handler { return server }))
	defer second.Close()
	id, data, want := content(5<<20 + 7)
	for at, died := int64(1), true; died; at += 3 {
		for offset := 0; offset < len(data); offset += 3 << 20 {
			require.NoError(t, second.Write(t.Context(), id, int64(offset), data[offset:min(offset+3<<20, len(data))]))
		}
		ctx, cancel := context.WithCancel(t.Context())
		die.Store(&cancel)
		left.Store(at)
		died = first.Complete(ctx, id, want) != nil
		cancel()
		if n, err := second.Read(t.Context(), id, 0, make([]byte, len(data))); err == nil {
			require.Len(t, data, n, "all of it or nothing")
		}
		require.NoError(t, second.Complete(t.Context(), id, want))
		sameContent(t, second, id, data)
		require.NoError(t, second.Delete(t.Context(), id))
		for _, query := range []string{"?uploads", "?list-type=2"} {
			answer := httptest.NewRecorder()
			server.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/"+localtest.Bucket+query, nil))
			require.NotContains(t, answer.Body.String(), id.String())
		}
	}
}

// TestS3IsRefusedAtTheStart: what is missing or denied is an error at once, and names the
// reason.
func TestS3IsRefusedAtTheStart(t *testing.T) {
	url := localtest.S3(t, nil)
	secure := httptest.NewTLSServer(localtest.S3Handler(t))
	defer secure.Close()
	dir := t.TempDir()
	ca, none := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "none.pem")
	require.NoError(t, os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw}), 0o600))
	require.NoError(t, os.WriteFile(none, []byte("none"), 0o600))
	denied := localtest.S3(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPut {
				w.WriteHeader(http.StatusForbidden)
				_, _ = io.WriteString(w, `<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>`)
				return
			}
			next.ServeHTTP(w, r)
		})
	})
	closed := httptest.NewServer(nil)
	closed.Close()
	bucket := "s3://" + localtest.Bucket
	for name, c := range map[string]struct {
		cfg  blob.S3Config
		want string
	}{
		"no bucket":         {blob.S3Config{URL: "s3://", Endpoint: url}, "s3://bucket/prefix"},
		"with a key":        {blob.S3Config{URL: "s3://key:secret@" + localtest.Bucket, Endpoint: url}, "s3://bucket/prefix"},
		"missing bucket":    {blob.S3Config{URL: "s3://nothing", Endpoint: url}, "NoSuchBucket"},
		"denied":            {blob.S3Config{URL: bucket, Endpoint: denied}, "cannot write: AccessDenied"},
		"nothing there":     {blob.S3Config{URL: bucket, Endpoint: closed.URL}, "connection refused"},
		"no URL":            {blob.S3Config{URL: bucket, Endpoint: "127.0.0.1:9000"}, "is no URL"},
		"unknown authority": {blob.S3Config{URL: bucket, Endpoint: secure.URL}, "certificate"},
		"missing CA":        {blob.S3Config{URL: bucket, Endpoint: secure.URL, CA: ca + "x"}, "no such file"},
		"no CA":             {blob.S3Config{URL: bucket, Endpoint: secure.URL, CA: none}, "has no certificate"},
		"CA without TLS":    {blob.S3Config{URL: bucket, Endpoint: url, CA: ca}, "https"},
	} {
		_, err := blob.OpenS3(t.Context(), c.cfg)
		require.ErrorContains(t, err, c.want, name)
		require.NotContains(t, err.Error(), "secret", name)
	}
	s, err := blob.OpenS3(t.Context(), blob.S3Config{URL: bucket, Endpoint: secure.URL, CA: ca})
	require.NoError(t, err)
	require.NoError(t, s.Close())

	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", none)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	_, err = blob.OpenS3(t.Context(), blob.S3Config{URL: bucket, Endpoint: url})
	require.ErrorContains(t, err, "AWS_ACCESS_KEY_ID")
	file := filepath.Join(dir, "credentials")
	require.NoError(t, os.WriteFile(file, []byte("[default]\naws_access_key_id = a\naws_secret_access_key = b\n"), 0o600))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", file)
	s, err = blob.OpenS3(t.Context(), blob.S3Config{URL: bucket, Endpoint: url})
	require.NoError(t, err)
	require.NoError(t, s.Close())
}
