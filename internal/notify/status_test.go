package notify

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
)

// forge is a server that records the requests to its API.
type forge struct {
	*httptest.Server
	requests []*http.Request
	bodies   []map[string]string
	status   int
	answer   string
}

func newForge(t *testing.T) *forge {
	f := &forge{status: http.StatusCreated}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		var body map[string]string
		_ = json.Unmarshal(raw, &body)
		f.requests, f.bodies = append(f.requests, r), append(f.bodies, body)
		w.WriteHeader(f.status)
		_, _ = io.WriteString(w, f.answer)
	}))
	t.Cleanup(f.Close)
	return f
}

const sha = "6113728f27ae82c7b1a177c8d03f9e96e0adf246"

// statusMessage is about a run of a commit.
func statusMessage(t *testing.T, kind hodei.NotifyKind, event hodei.NotifyEvent, address string) Message {
	m := message(t, kind, address)
	commit := sha
	m.Event, m.Key, m.Run.Commit = event, []byte("a token\n"), &commit
	return m
}

// TestACommitStatusIsInTheFormOfEachSystem: the address, the token and the body.
func TestACommitStatusIsInTheFormOfEachSystem(t *testing.T) {
	f := newForge(t)
	s := New(Config{Guard: here})
	for _, c := range []struct {
		kind                     hodei.NotifyKind
		repository, path, header string
		states                   map[hodei.NotifyEvent]string
	}{
		{hodei.NotifyGitHub, "/octo/shop.git", "/api/v3/repos/octo/shop", "Authorization: Bearer a token", map[hodei.NotifyEvent]string{
			hodei.NotifyStarted: "pending", hodei.NotifyBlocked: "pending", hodei.NotifyCompleted: "success", hodei.NotifyRecovered: "success",
			hodei.NotifyFailed: "failure", hodei.NotifyCancelled: "error",
		}},
		{hodei.NotifyGitea, "/git/octo/shop", "/git/api/v1/repos/octo/shop", "Authorization: token a token", map[hodei.NotifyEvent]string{
			hodei.NotifyStarted: "pending", hodei.NotifyCompleted: "success", hodei.NotifyFailed: "failure", hodei.NotifyCancelled: "error",
		}},
		{hodei.NotifyGitLab, "/group/sub/shop.git", "/api/v4/projects/group%2Fsub%2Fshop", "PRIVATE-TOKEN: a token", map[hodei.NotifyEvent]string{
			hodei.NotifyStarted: "running", hodei.NotifyBlocked: "running", hodei.NotifyCompleted: "success", hodei.NotifyFailed: "failed", hodei.NotifyCancelled: "canceled",
		}},
	} {
		name, value, _ := strings.Cut(c.header, ": ")
		for event, state := range c.states {
			require.NoError(t, s.Send(t.Context(), statusMessage(t, c.kind, event, f.URL+c.repository)))
			r, body := f.requests[len(f.requests)-1], f.bodies[len(f.bodies)-1]
			require.Equal(t, "POST "+c.path+"/statuses/"+sha, r.Method+" "+r.URL.EscapedPath())
			require.Equal(t, value, r.Header.Get(name))
			require.Equal(t, state, body["state"], event)
			require.Equal(t, "hodei/shop", body["context"])
			require.Equal(t, "https://hodei.example.com/ui/runs/run_1", body["target_url"])
			require.Contains(t, body["description"], "#42 ")
		}
		tried := message(t, c.kind, f.URL+c.repository)
		tried.Event, tried.Notice.Run, tried.Key = hodei.NotifyTest, nil, []byte("a token")
		require.NoError(t, s.Send(t.Context(), tried))
		r := f.requests[len(f.requests)-1]
		require.Equal(t, "GET "+c.path, r.Method+" "+r.URL.EscapedPath(), "a test changes nothing")
		require.Equal(t, value, r.Header.Get(name))
	}
	address, err := repositoryOf(hodei.NotifyGitHub, "https://github.com/octo/shop")
	require.NoError(t, err)
	require.Equal(t, "https://api.github.com/repos/octo/shop", address)
}

// TestACommitStatusThatIsRefused: which answers end the attempts, and which are repeated.
func TestACommitStatusThatIsRefused(t *testing.T) {
	f := newForge(t)
	s := New(Config{Guard: here})
	failed := func(kind hodei.NotifyKind, status int, answer string) error {
		f.status, f.answer = status, answer
		return s.Send(t.Context(), statusMessage(t, kind, hodei.NotifyFailed, f.URL+"/octo/shop"))
	}
	require.ErrorIs(t, failed(hodei.NotifyGitHub, 422, `{"message":"No commit found for SHA"}`), ErrFinal)
	for _, status := range []int{401, 403, 404, 429, 500} {
		err := failed(hodei.NotifyGitHub, status, "a secret of the target")
		require.ErrorContains(t, err, "the target answered")
		require.NotErrorIs(t, err, ErrFinal)
		require.NotContains(t, err.Error(), "secret")
	}
	require.NoError(t, failed(hodei.NotifyGitLab, 400, `{"message":"Cannot transition status via :drop from :failed (Reason(s): ...)"}`), "a repeat")
	require.Error(t, failed(hodei.NotifyGitLab, 400, `{"message":"400 Bad request"}`))
	require.ErrorIs(t, s.Send(t.Context(), statusMessage(t, hodei.NotifyGitHub, hodei.NotifyFailed, f.URL+"/shop")), ErrFinal)
	long := statusMessage(t, hodei.NotifyGitHub, hodei.NotifyFailed, f.URL+"/octo/shop")
	f.status, long.Why = 201, strings.Repeat("é", 500)
	require.NoError(t, s.Send(t.Context(), long))
	require.Len(t, []rune(f.bodies[len(f.bodies)-1]["description"]), 140)
}
