package cli

import (
	"context"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/client"
	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
	"github.com/hodei-jobs/hodei/schemas"
)

func TestStatusOfWhatDidNotComplete(t *testing.T) {
	for want, e := range map[int]hodei.Execution{
		3:   {Status: hodei.Failed, ExitCode: new(3)},
		137: {Status: hodei.Failed, Signal: new("SIGKILL")},
		1:   {Status: hodei.Failed, Reason: new(hodei.ReasonWorkerLost)},
	} {
		require.Equal(t, want, statusOf(e))
	}
	require.Equal(t, 1, statusOf(hodei.Execution{Status: hodei.Cancelled, ExitCode: new(0)}), "cancelled is never success")
	require.Equal(t, 1, statusOf(hodei.Execution{Status: hodei.Failed, Signal: new("SIGWHAT")}))
}

// Ctrl-C during a start does not lose the started execution.
func TestInterruptedStart(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		interrupt()
		_, err := w.Write([]byte(`{"id":"exec_01a20adc-0000-7000-8000-000000000001","status":"PENDING"}`))
		require.NoError(t, err)
	}))
	t.Cleanup(srv.Close)
	s, _, errs := printing()
	s.Client, s.Flag = client.HTTP(srv.URL), " --server x"
	_, started, err := start(ctx, s, schemas.Execute, schemas.ExecuteRequest{})
	require.NoError(t, err)
	require.Error(t, ctx.Err())
	require.Equal(t, cmdline.ExitStatus(130), (&following{Session: s, id: started.ID}).attend(ctx))
	require.Contains(t, errs.String(), "  hodei execution cancel exec_01a20adc-0000-7000-8000-000000000001 --server x\n")
}

// closed is a pipe whose reader has left.
type closed struct{}

func (closed) Write([]byte) (int, error) { return 0, syscall.EPIPE }

// TestAClosedPipeNamesWhatGoesOn: with `| head -1` the command goes on after the reader has left.
func TestAClosedPipeNamesWhatGoesOn(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, err := w.Write([]byte("event: log\nid: 1\ndata: {\"sequence\":1,\"stream\":\"stdout\",\"line\":\"y\"}\n\n"))
		require.NoError(t, err)
	}))
	t.Cleanup(srv.Close)
	s, _, errs := printing()
	s.Client, s.Out = client.HTTP(srv.URL), closed{}
	require.Equal(t, cmdline.ExitStatus(141), (&following{Session: s, id: hodei.ExecutionID{1}}).attend(t.Context()))
	require.Contains(t, errs.String(), "detached; exec_01000000-0000-0000-0000-000000000000 goes on\n  hodei logs -f ")
}
