package edge_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei/edge"
	"github.com/hodei-jobs/hodei/internal/token"
)

// If the session cannot be ended, the browser no longer has it, and the answer is an error.
func TestSignOutWithoutTheAccessService(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e, _ := serve(t, w.nc, edge.Config{Auth: true})
	resp := do(t, "DELETE", "http://"+e.Addrs()[0]+"/session", "", "Cookie: hodei_session="+token.New(token.Session))
	require.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
	require.Len(t, resp.Cookies(), 1)
	require.Equal(t, "hodei_session", resp.Cookies()[0].Name)
	require.Negative(t, resp.Cookies()[0].MaxAge)
}
