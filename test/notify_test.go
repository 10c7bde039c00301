package test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"
)

// outside is a mailbox, a receiver of webhooks, and a forge that sets statuses.
type outside struct {
	mu       sync.Mutex
	subjects []string
	hooks    []string
	statuses []string
}

// NewSession, Mail, Rcpt, Data, Reset and Logout are those of a server for e-mail.
func (o *outside) NewSession(*smtp.Conn) (smtp.Session, error) { return o, nil }
func (o *outside) Mail(string, *smtp.MailOptions) error        { return nil }
func (o *outside) Rcpt(string, *smtp.RcptOptions) error        { return nil }
func (o *outside) Reset()                                      {}
func (o *outside) Logout() error                               { return nil }

func (o *outside) Data(r io.Reader) error {
	letter, err := mail.ReadMessage(r)
	if err == nil {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.subjects = append(o.subjects, letter.Header.Get("To")+" "+letter.Header.Get("Subject"))
	}
	return err
}

// ServeHTTP accepts what is signed, and statuses that have the token.
func (o *outside) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var message struct{ Type, State, Description string }
	_ = json.Unmarshal(body, &message)
	o.mu.Lock()
	defer o.mu.Unlock()
	if commit, ok := strings.CutPrefix(r.URL.Path, "/api/v1/repos/shop/web/statuses/"); ok && r.Header.Get("Authorization") == "token "+hookKey {
		o.statuses = append(o.statuses, commit[:4]+" "+message.State)
		return
	}
	verifier, err := standardwebhooks.NewWebhookRaw([]byte(hookKey))
	if err != nil || verifier.Verify(body, r.Header) != nil {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	o.hooks = append(o.hooks, message.Type)
}

// TestAPushIsAnnounced: the push of a commit that fails, and of the one that mends it, reach
// the team by e-mail, a webhook and the statuses of the commits.
func TestAPushIsAnnounced(t *testing.T) {
	t.Parallel()
	o := &outside{}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	mailbox, web := smtp.NewServer(o), httptest.NewServer(o)
	go func() { _ = mailbox.Serve(l) }()
	t.Cleanup(func() { web.Close(); mailbox.Close() })
	s := up(t, "--smtp-server", "smtp+insecure://"+l.Addr().String(), "--smtp-from", "hodei@example.com")
	for _, name := range []string{"HOOK_KEY", "TOKEN"} {
		status, made := call(t, "PUT", s.orchestrator+"/secrets/"+name, `{"value":"`+hookKey+`"}`)
		require.Equal(t, 200, status, made)
	}
	good := strings.Repeat("60", 20)
	h := &hooks{system: s, urls: map[string]string{}}
	status, raw, _ := request(t, "PUT", s.orchestrator+"/pipelines/hooked", fmt.Sprintf(`
hooks: [ { kind: gitea, secret: HOOK_KEY } ]
notify:
  - { events: [failed, recovered], email: [team@example.com] }
  - { events: [failed, recovered], webhook: %[1]q, secret: HOOK_KEY }
  - { commit_status: gitea, repository: %[2]q, secret: TOKEN }
jobs: { test: { command: '[ "$HODEI_COMMIT" = %[3]s ]' } }
`, web.URL+"/hook", web.URL+"/shop/web", good), http.Header{"Content-Type": {"application/yaml"}})
	require.Equal(t, 201, status, string(raw))
	_, list := call(t, "GET", s.orchestrator+"/hooks", "")
	h.urls["gitea"] = list["items"].([]any)[0].(object)["url"].(string)

	push := recorded(t, "gitea_push")
	require.Equal(t, "FAILED", h.endedRun(h.started("gitea", "push", "1", push)["run_id"])["status"])
	mended := strings.ReplaceAll(push, pushed, good)
	require.Equal(t, "COMPLETED", h.endedRun(h.started("gitea", "push", "2", mended)["run_id"])["status"])
	eventually(t, "all have arrived", time.Minute, func() bool {
		o.mu.Lock()
		defer o.mu.Unlock()
		return len(o.subjects) == 2 && len(o.hooks) == 2 && len(o.statuses) == 4
	})
	o.mu.Lock()
	defer o.mu.Unlock()
	require.Equal(t, []string{"<team@example.com> [Hodei] hooked#1 failed", "<team@example.com> [Hodei] hooked#2 recovered"}, o.subjects)
	require.Equal(t, []string{"run.failed", "run.recovered"}, o.hooks)
	require.ElementsMatch(t, []string{"6113 pending", "6113 failure", "6060 pending", "6060 success"}, o.statuses)
}
