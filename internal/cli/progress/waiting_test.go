package progress

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/client"
	"github.com/hodei-jobs/hodei/internal/cli/session"
	"github.com/hodei-jobs/hodei/schemas"
)

// TestAJobThatNoWorkerCanRunIsReported: once, and a job that waits for a busy worker is not.
func TestAJobThatNoWorkerCanRunIsReported(t *testing.T) {
	run := hodei.Run{ID: hodei.RunID{15: 1}, Status: hodei.RunRunning}
	queue := schemas.QueueList{}
	for i, reason := range []string{"no worker of type gpu", "1 busy"} {
		id := hodei.ExecutionID{15: byte(i + 1)}
		run.Jobs = append(run.Jobs, hodei.RunJob{Key: []string{"train", "test"}[i], Status: hodei.JobPending, ExecutionID: &id})
		queue.Items = append(queue.Items, schemas.QueueEntry{ExecutionID: id, Reason: reason, Impossible: i == 0})
	}
	answer := func(w http.ResponseWriter, value any) { _ = json.NewEncoder(w).Encode(value) } // the client may have gone
	var looks atomic.Int32
	enough := make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/runs/{id}", func(w http.ResponseWriter, _ *http.Request) { answer(w, run) })
	mux.HandleFunc("GET /api/v1/queue", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, queue)
		if looks.Add(1) == 3 { // what the first two have found is printed
			close(enough)
		}
	})
	mux.HandleFunc("GET /api/v1/runs/{id}/logs/stream", func(w http.ResponseWriter, _ *http.Request) {
		<-enough
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = w.Write([]byte("event: done\ndata: {\"status\":\"CANCELLED\"}\n\n")) // likewise
	})
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)

	var out, errs bytes.Buffer
	r := Run{Session: session.Printing(&out, &errs, ""), ID: run.ID, Name: "release#1", look: time.Millisecond}
	r.Client = client.HTTP(srv.URL)
	_, err := r.Follow(t.Context())
	require.NoError(t, err)
	require.Equal(t, "train waits: no worker of type gpu\n  hodei explain release#1/train\n", errs.String())
}
