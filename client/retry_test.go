package client_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"testing/synctest"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/client"
	"github.com/hodei-jobs/hodei/schemas"
)

// roundTrip is an HTTP server without a network, so that the test can control
// time.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// answers returns a client of a server that sends these answers in turn, and
// the keys of the requests.
func answers(status ...int) (c *client.Client, keys *[]string) {
	keys = &[]string{}
	serve := func(r *http.Request) (*http.Response, error) {
		at := len(*keys)
		*keys = append(*keys, r.Header.Get("Idempotency-Key"))
		if status[at] == 0 {
			return nil, fmt.Errorf("connection reset")
		}
		w := httptest.NewRecorder()
		w.WriteHeader(status[at])
		body := map[string]any{"items": []any{}, "message": "so it is"}
		if code, ok := hodei.CodeOf(status[at]); ok {
			body["error"] = code
		}
		_ = json.NewEncoder(w).Encode(body)
		return w.Result(), nil
	}
	return client.HTTP("http://hodei", client.WithHTTPClient(&http.Client{Transport: roundTrip(serve)})), keys
}

func TestRepeatedUntilThereIsAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, keys := answers(503, 0, 201)
		_, err := c.CreatePipeline(t.Context(), schemas.CreatePipelineRequest{Name: "p"})
		require.NoError(t, err)
		require.Len(t, *keys, 3)
		require.NoError(t, uuid.Validate((*keys)[0]))
		require.Equal(t, (*keys)[0], (*keys)[1], "the same key, or it would be created twice")
		require.Equal(t, (*keys)[0], (*keys)[2])

		c, keys = answers(201, 201)
		for range 2 {
			_, err = c.CreatePipeline(t.Context(), schemas.CreatePipelineRequest{Name: "p"})
			require.NoError(t, err)
		}
		require.NotEqual(t, (*keys)[0], (*keys)[1], "each call is a new one")

		c, keys = answers(503, 201)
		_, err = c.CreatePipeline(client.WithIdempotencyKey(t.Context(), "mine"), schemas.CreatePipelineRequest{Name: "p"})
		require.NoError(t, err)
		require.Equal(t, []string{"mine", "mine"}, *keys)

		c, keys = answers(503, 503, 200)
		_, err = c.ListJobs(t.Context(), schemas.ListJobsRequest{})
		require.NoError(t, err)
		require.Equal(t, []string{"", "", ""}, *keys)

		c, keys = answers(503, 503, 503, 503, 503, 200)
		_, err = c.ListJobs(t.Context(), schemas.ListJobsRequest{})
		require.ErrorIs(t, err, hodei.Unavailable)
		require.Len(t, *keys, 5)
	})
}

// A request that changes something, or that was refused, is not repeated.
func TestNotRepeated(t *testing.T) {
	t.Parallel()
	c, keys := answers(503)
	_, err := c.CancelExecution(t.Context(), schemas.CancelExecutionRequest{ID: hodei.RefTo(hodei.ExecutionID{1})})
	require.ErrorIs(t, err, hodei.Unavailable)
	require.Len(t, *keys, 1)
	for _, status := range []int{400, 404, 409, 500, 504} {
		c, keys := answers(status)
		_, err := c.CreatePipeline(t.Context(), schemas.CreatePipelineRequest{Name: "p"})
		require.Error(t, err)
		require.Equal(t, status, hodei.AsError(err).Code.Status())
		require.Len(t, *keys, 1)
	}
}

// What was refused for its rate had no effect, so it is repeated, whatever it changes.
func TestRepeatedAfterTooManyRequests(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, keys := answers(429, 429, 200)
		_, err := c.CancelExecution(t.Context(), schemas.CancelExecutionRequest{ID: hodei.RefTo(hodei.ExecutionID{1})})
		require.NoError(t, err)
		require.Len(t, *keys, 3)
	})
}

// lists returns a client of a server with 7 jobs, which fails on an unknown
// cursor.
func lists(t *testing.T) *client.Client {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
		from, err := strconv.Atoi("0" + r.URL.Query().Get("cursor"))
		if err != nil {
			http.Error(w, `{"error":"VALIDATION_ERROR","message":"no cursor"}`, 400)
			return
		}
		page := schemas.List[hodei.Job]{}
		for n := from; n < min(from+limit, 7); n++ {
			page.Items = append(page.Items, hodei.Job{ID: hodei.JobID{byte(n)}})
		}
		if from+limit < 7 {
			page.NextCursor = new(strconv.Itoa(from + limit))
		}
		_ = json.NewEncoder(w).Encode(page)
	}))
	t.Cleanup(srv.Close)
	return client.HTTP(srv.URL, client.WithHTTPClient(srv.Client()))
}

func TestAll(t *testing.T) {
	t.Parallel()
	c := lists(t)
	for _, limit := range []int{0, 1, 3, 7} {
		jobs := c.AllJobs(t.Context(), schemas.ListJobsRequest{Page: schemas.Page{Limit: limit}})
		for range 2 { // a sequence can be iterated again
			var got []byte
			for j, err := range jobs {
				require.NoError(t, err)
				got = append(got, j.ID[0])
			}
			require.Equal(t, []byte{0, 1, 2, 3, 4, 5, 6}, got)
		}
		for range jobs {
			break
		}
	}
	count := 0
	for _, err := range c.AllJobs(t.Context(), schemas.ListJobsRequest{Page: schemas.Page{Cursor: "x"}}) {
		require.ErrorIs(t, err, hodei.Invalid)
		count++
	}
	require.Equal(t, 1, count)
}
