package localtest

import (
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/stretchr/testify/require"
)

// Bucket is the only bucket of a server.
const Bucket = "files"

// S3 starts a server with the protocol of S3 and one bucket in memory, and returns its URL. The
// server accepts any credentials; S3 sets some in the environment. change, if not nil, wraps the
// handler.
func S3(t testing.TB, change func(http.Handler) http.Handler) string {
	t.Helper()
	handler := S3Handler(t)
	if change != nil {
		handler = change(handler)
	}
	srv := httptest.NewServer(handler)
	t.Cleanup(srv.Close)
	return srv.URL
}

// S3Handler is the handler of S3.
func S3Handler(t testing.TB) http.Handler {
	t.Helper()
	require.NoError(t, os.Setenv("AWS_ACCESS_KEY_ID", "test"))
	require.NoError(t, os.Setenv("AWS_SECRET_ACCESS_KEY", "test"))
	backend := s3mem.New()
	require.NoError(t, backend.CreateBucket(Bucket))
	return gofakes3.New(backend, gofakes3.WithLogger(gofakes3.DiscardLog()), gofakes3.WithoutVersioning()).Server()
}
