package workermanager

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/postgres"
	"github.com/hodei-jobs/hodei/schemas"
)

// receiver is a server that gets webhooks. Each path is a target.
type receiver struct {
	*httptest.Server
	mu   sync.Mutex
	down map[string]bool
	hang chan struct{}       // of the path /hang
	got  map[string][]string // what each path accepted, in order
	all  map[string][]string // and the ids of all requests
}

func receive(t *testing.T) *receiver {
	r := &receiver{down: map[string]bool{}, got: map[string][]string{}, all: map[string][]string{}, hang: make(chan struct{})}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		var message struct {
			Data hodei.Notice `json:"data"`
		}
		_ = json.Unmarshal(body, &message)
		if req.URL.Path == "/hang" {
			select {
			case <-r.hang:
			case <-req.Context().Done():
			}
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.all[req.URL.Path] = append(r.all[req.URL.Path], req.Header.Get("webhook-id"))
		if r.down[req.URL.Path] {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		r.got[req.URL.Path] = append(r.got[req.URL.Path], message.Data.Why)
	}))
	t.Cleanup(r.Close)
	t.Cleanup(func() { close(r.hang) })
	return r
}

func (r *receiver) turn(path string, down bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down[path] = down
}

func (r *receiver) accepted(path string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got[path])
}

func (r *receiver) requests(path string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.all[path])
}

func allowLocal(c *Config) { c.Notify.Allow = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }

// exec changes the record as the test wants and announces it.
func (b *bench) exec(sql string, args ...any) {
	b.t.Helper()
	conn, err := pgx.Connect(b.t.Context(), b.url)
	require.NoError(b.t, err)
	defer conn.Close(b.t.Context())
	_, err = conn.Exec(b.t.Context(), sql, args...)
	require.NoError(b.t, err)
	require.NoError(b.t, b.nc.Publish(schemas.NotificationSubject, nil))
}

// notice records a message for the address, as a change of a run does.
func (b *bench) notice(address, text string) hodei.NotificationID {
	b.t.Helper()
	id := postgres.NewID[hodei.NotificationID]()
	b.exec(`INSERT INTO notifications (id, pipeline_id, event, kind, address, target, secret, queue, notice)
		VALUES ($1, $2, 'failed', 'webhook', $3, $3, '', $3, jsonb_build_object('pipeline', 'p', 'why', $4::text))`,
		id, postgres.NewID[hodei.PipelineID](), address, text)
	return id
}

func (b *bench) notification(id hodei.NotificationID) hodei.Notification {
	b.t.Helper()
	n, err := rpc.Call(b.t.Context(), b.nc, schemas.GetNotification, schemas.GetNotificationRequest{ID: id})
	require.NoError(b.t, err)
	return n
}

const makeDue = `UPDATE notifications SET due_at = now() WHERE status = 'PENDING'`

// TestATargetThatIsDownDelaysOnlyItself, and gets its messages in order in the end.
func TestATargetThatIsDownDelaysOnlyItself(t *testing.T) {
	t.Parallel()
	b, r := start(t, allowLocal), receive(t)
	r.turn("/down", true)
	var ids []hodei.NotificationID
	for i := range 3 {
		ids = append(ids, b.notice(r.URL+"/down", fmt.Sprint(i)))
		b.notice(r.URL+"/up", fmt.Sprint(i))
	}
	b.until("the other target has all", func() bool { return len(r.accepted("/up")) == 3 })
	b.until("the first has failed", func() bool { return b.notification(ids[0]).Error != nil })
	for i := range 4 {
		b.exec(makeDue)
		b.until("another attempt", func() bool {
			n := b.notification(ids[0])
			return n.Attempts == i+2 && n.NextAt.Sub(*n.AttemptedAt) != sendLease
		})
	}
	n := b.notification(ids[0])
	require.Equal(t, "the target answered 503", *n.Error)
	require.Equal(t, 80*time.Second, n.NextAt.Sub(*n.AttemptedAt).Round(time.Second), "the pause doubles")
	require.Zero(t, b.notification(ids[1]).Attempts, "the next message waits")
	r.turn("/down", false)
	b.exec(makeDue)
	b.until("all are delivered", func() bool { return len(r.accepted("/down")) == 3 })
	require.Equal(t, []string{"0", "1", "2"}, r.accepted("/down"))
	require.Equal(t, []string{"0", "1", "2"}, r.accepted("/up"))
	b.until("that is recorded", func() bool { return b.notification(ids[2]).Status == hodei.NotificationDelivered })
	r.mu.Lock()
	defer r.mu.Unlock()
	require.Equal(t, []string{ids[0].String(), ids[0].String(), ids[0].String(), ids[0].String(), ids[0].String(), ids[0].String(), ids[1].String(), ids[2].String()}, r.all["/down"])
}

// TestAMessageIsGivenUpAfterADay, the next one is tried, and both can be delivered again.
func TestAMessageIsGivenUpAfterADay(t *testing.T) {
	t.Parallel()
	b, r := start(t, allowLocal), receive(t)
	r.turn("/down", true)
	first, second := b.notice(r.URL+"/down", "1"), b.notice(r.URL+"/down", "2")
	b.until("the first has failed", func() bool { return b.notification(first).Error != nil })
	b.exec(`UPDATE notifications SET created_at = created_at - interval '1 day', expires_at = expires_at - interval '1 day', due_at = now() WHERE id = $1`, first)
	b.until("it is given up", func() bool { return b.notification(first).Status == hodei.NotificationFailed })
	b.until("the second is tried", func() bool { return b.notification(second).Error != nil })
	require.Equal(t, hodei.NotificationPending, b.notification(second).Status)
	r.turn("/down", false)
	_, err := rpc.Call(t.Context(), b.nc, schemas.RedeliverNotification, schemas.RedeliverNotificationRequest{ID: first})
	require.NoError(t, err)
	b.until("the first is delivered", func() bool { return b.notification(first).Status == hodei.NotificationDelivered })
	_, err = rpc.Call(t.Context(), b.nc, schemas.RedeliverNotification, schemas.RedeliverNotificationRequest{ID: second})
	require.NoError(t, err)
	b.until("the second too", func() bool { return b.notification(second).Status == hodei.NotificationDelivered })
	require.Equal(t, []string{"1", "2"}, r.accepted("/down"))
	b.exec(`UPDATE notifications SET completed_at = completed_at - interval '31 days' WHERE id = $1`, first)
	require.NoError(t, b.deleteOldNotifications(t.Context()))
	_, err = rpc.Call(t.Context(), b.nc, schemas.GetNotification, schemas.GetNotificationRequest{ID: first})
	require.ErrorIs(t, err, hodei.NotFound)
	require.Equal(t, second, b.notification(second).ID)
}

// TestTwoInstancesSendEachMessageOnce, in order, while more targets hang than one
// instance sends to at a time that have failed before.
func TestTwoInstancesSendEachMessageOnce(t *testing.T) {
	t.Parallel()
	b, r := start(t, allowLocal), receive(t)
	for i := range sendAtOnce/2 + 4 {
		id := b.notice(fmt.Sprintf("%s/hang?%d", r.URL, i), "hangs")
		b.exec(`UPDATE notifications SET attempts = 3, attempted_at = now() WHERE id = $1`, id)
	}
	b.run(b.db, allowLocal)
	for i := range 10 {
		for target := range 12 {
			b.notice(fmt.Sprintf("%s/%d", r.URL, target), fmt.Sprint(i))
		}
	}
	for target := range 12 {
		path := fmt.Sprintf("/%d", target)
		b.until("all are delivered to "+path, func() bool { return len(r.accepted(path)) == 10 })
		require.Equal(t, []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}, r.accepted(path))
		require.Equal(t, 10, r.requests(path))
	}
}

// TestAnInstanceThatDiesLeavesItsMessageToTheOthers: one instance took the
// message and died.
func TestAnInstanceThatDiesLeavesItsMessageToTheOthers(t *testing.T) {
	t.Parallel()
	b, r := start(t, allowLocal), receive(t)
	id, next := postgres.NewID[hodei.NotificationID](), postgres.NewID[hodei.NotificationID]()
	const taken = `INSERT INTO notifications (id, pipeline_id, event, kind, address, target, secret, queue, notice, attempts, attempted_at, due_at)
		VALUES ($1, $1, 'failed', 'webhook', $2, $2, '', $2, '{"pipeline": "p", "why": "x"}', 1, now(), now() + interval '1 minute')`
	b.exec(taken, id, r.URL+"/x")
	b.exec(`INSERT INTO notifications (id, pipeline_id, event, kind, address, target, secret, queue, notice)
		VALUES ($1, $1, 'failed', 'webhook', $2, $2, '', $2, '{"pipeline": "p", "why": "y"}')`, next, r.URL+"/x")
	b.never("the next message goes before it", 100*time.Millisecond, func() bool { return r.requests("/x") > 0 })
	b.exec(`UPDATE notifications SET due_at = now() WHERE id = $1`, id)
	b.until("both are delivered", func() bool { return len(r.accepted("/x")) == 2 })
	require.Equal(t, []string{"x", "y"}, r.accepted("/x"))

	// The outcome of the dead one's attempt arrives late, and changes nothing.
	late := postgres.Sending{Notification: hodei.Notification{ID: id, Attempts: 1}}
	text := "late"
	require.NoError(t, b.db.SettleNotification(t.Context(), late, &text, nil))
	b.until("both are recorded", func() bool { return b.notification(next).Status == hodei.NotificationDelivered })
	require.Equal(t, hodei.NotificationDelivered, b.notification(id).Status)
}

// TestASecretIsMissing until it is set.
func TestASecretIsMissing(t *testing.T) {
	t.Parallel()
	key, _ := withKeys(t)
	b, r := start(t, allowLocal, key), receive(t)
	id := b.notice(r.URL+"/x", "x")
	b.until("delivered", func() bool { return b.notification(id).Status == hodei.NotificationDelivered })
	b.exec(`UPDATE notifications SET secret = 'HOOK_KEY', status = 'PENDING', completed_at = NULL, due_at = now(), attempts = 0 WHERE id = $1`, id)
	b.until("the error names the secret", func() bool {
		n := b.notification(id)
		return n.Error != nil && *n.Error == "there is no secret HOOK_KEY: set it with `hodei secret set HOOK_KEY`"
	})
	require.Equal(t, 1, r.requests("/x"), "nothing is sent without the signature")
	must(b, schemas.SetSecret, schemas.SetSecretRequest{Name: "HOOK_KEY", Value: "hunter2hunter2"})
	must(b, schemas.RedeliverNotification, schemas.RedeliverNotificationRequest{ID: id})
	b.until("delivered", func() bool { return b.notification(id).Status == hodei.NotificationDelivered })
	require.Equal(t, 2, r.requests("/x"))
}

// TestACommitStatusIsSetWithItsToken, in order and again after a failure.
func TestACommitStatusIsSetWithItsToken(t *testing.T) {
	t.Parallel()
	key, _ := withKeys(t)
	b := start(t, allowLocal, key)
	must(b, schemas.SetSecret, schemas.SetSecretRequest{Name: "TOKEN", Value: "hunter2hunter2"})
	var mu sync.Mutex
	var got []string
	forge := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct{ State string }
		_ = json.NewDecoder(r.Body).Decode(&body)
		mu.Lock()
		defer mu.Unlock()
		got = append(got, r.Header.Get("PRIVATE-TOKEN")+" "+r.URL.EscapedPath()+" "+body.State)
		if len(got) == 1 {
			w.WriteHeader(http.StatusBadGateway)
		}
	}))
	t.Cleanup(forge.Close)
	ids := map[string]hodei.NotificationID{}
	for _, event := range []string{"started", "completed"} {
		ids[event] = postgres.NewID[hodei.NotificationID]()
		b.exec(`INSERT INTO notifications (id, pipeline_id, event, kind, address, target, secret, queue, notice)
			VALUES ($1, $1, $2, 'gitlab', $3, $3, 'TOKEN', 'q', '{"pipeline": "p", "run": {"number": 1, "commit": "abc"}}')`, ids[event], event, forge.URL+"/team/shop")
	}
	b.until("the first has failed", func() bool { return b.notification(ids["started"]).Error != nil })
	b.exec(makeDue)
	b.until("both are set", func() bool { return b.notification(ids["completed"]).Status == hodei.NotificationDelivered })
	mu.Lock()
	defer mu.Unlock()
	const at = "hunter2hunter2 /api/v4/projects/team%2Fshop/statuses/abc "
	require.Equal(t, []string{at + "running", at + "running", at + "success"}, got)
}
