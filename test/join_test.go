package test

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/postgres"
	"github.com/hodei-jobs/hodei/schemas"
)

// joinToken makes a token for workers.
func (s guarded) joinToken(more string) (id, text string) {
	s.t.Helper()
	status, made := s.as(s.admin, "POST", "/tokens", `{"name":"workers","role":"worker"`+more+`}`)
	require.Equal(s.t, 201, status, made)
	return made["id"].(string), made["token"].(string)
}

// joiner is a program that joins as a worker, to attack from there.
type joiner struct {
	id  hodei.WorkerID
	key nkeys.KeyPair
}

func newJoiner(t testing.TB) joiner {
	t.Helper()
	key, err := nkeys.CreateUser()
	require.NoError(t, err)
	return joiner{hodei.WorkerID(uuid.Must(uuid.NewV7())), key}
}

// connect connects as the worker with this id.
func (j joiner) connect(s guarded, id hodei.WorkerID, password string, more ...nats.Option) (*nats.Conn, error) {
	public, err := j.key.PublicKey()
	require.NoError(s.t, err)
	opts := append([]nats.Option{
		nats.Nkey(public, j.key.Sign), nats.UserInfo(id.String(), password), nats.CustomInboxPrefix(schemas.InboxPrefix("worker." + id.String())), nats.Timeout(time.Minute),
	}, more...)
	nc, err := nats.Connect(s.nats, opts...)
	if err == nil {
		s.t.Cleanup(nc.Close)
	}
	return nc, err
}

// TestWorkersJoin lets workers join a system with access control, and tries what one that was
// taken over would.
func TestWorkersJoin(t *testing.T) {
	t.Parallel()
	s := upWithAuth(t, "--workers", "0")
	file := func(text string) string {
		path := filepath.Join(t.TempDir(), "token")
		require.NoError(t, os.WriteFile(path, []byte(text+"\n"), 0o600))
		return path
	}
	_, once := s.joinToken("")
	dir := t.TempDir()
	w := start(t, "worker", "--nats", s.nats, "--join-file", file(once), "--state-dir", dir)
	require.Equal(t, "COMPLETED", s.endedAs(s.executeAs(s.admin, "echo joined"))["status"])
	info, err := os.Stat(filepath.Join(dir, "nats.nk"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	victim := strings.Fields(w.find(`ready worker (.*)`))[0]

	t.Run("a token is used once", func(t *testing.T) {
		j := newJoiner(t)
		_, err := j.connect(s, j.id, once)
		require.ErrorIs(t, err, nats.ErrAuthorization)
	})
	t.Run("its reaper reports that it was killed", func(t *testing.T) {
		id := s.executeAs(s.admin, "sleep 1000")
		eventually(t, "the command runs", time.Minute, func() bool {
			_, e := s.as(s.admin, "GET", "/executions/"+id, "")
			return e["status"] == "RUNNING"
		})
		w.kill()
		eventually(t, "the execution ends before the worker is lost by its silence", 30*time.Second, func() bool {
			_, e := s.as(s.admin, "GET", "/executions/"+id, "")
			return e["status"] == "FAILED"
		})
	})
	t.Run("it starts again with its key alone", func(t *testing.T) {
		w = start(t, "worker", "--nats", s.nats, "--state-dir", dir)
		require.Equal(t, victim, strings.Fields(w.find(`ready worker (.*)`))[0])
		require.Equal(t, "COMPLETED", s.endedAs(s.executeAs(s.admin, "echo again"))["status"])
	})
	t.Run("what is no way in", func(t *testing.T) {
		var other hodei.WorkerID
		require.NoError(t, other.UnmarshalText([]byte(victim)))
		_, many := s.joinToken(`,"max_uses":100`)
		_, developer := s.token(hodei.Developer, "")
		j := newJoiner(t)
		for what, connect := range map[string]func() (*nats.Conn, error){
			"no token":         func() (*nats.Conn, error) { return j.connect(s, j.id, "") },
			"another's id":     func() (*nats.Conn, error) { return j.connect(s, other, many) },
			"a person's token": func() (*nats.Conn, error) { return j.connect(s, j.id, developer) },
			"another signature": func() (*nats.Conn, error) {
				public, _ := j.key.PublicKey()
				return nats.Connect(s.nats, nats.Nkey(public, newJoiner(t).key.Sign), nats.UserInfo(j.id.String(), many))
			},
			"a token without a key": func() (*nats.Conn, error) { return nats.Connect(s.nats, nats.UserInfo(j.id.String(), many)) },
		} {
			_, err := connect()
			require.ErrorIs(t, err, nats.ErrAuthorization, what)
		}
		status, _ := s.as(many, "GET", "/pipelines", "")
		require.Equal(t, 401, status, "a token for workers is none for people")
		_, list := s.as(s.admin, "GET", "/audit?operation=workers.join", "")
		require.Len(t, list["items"], 1, "one has joined: %v", list)
	})
	t.Run("a worker speaks for itself", func(t *testing.T) { s.attackAsWorker(t, victim) })
	t.Run("approval", func(t *testing.T) {
		_, text := s.joinToken(`,"needs_approval":true`)
		waiting := launch(t, "worker", "--nats", s.nats, "--join-file", file(text), "--state-dir", t.TempDir(), "--type", "approved")
		id := ""
		eventually(t, "the worker waits for its approval", time.Minute, func() bool {
			_, list := s.as(s.admin, "GET", "/workers/keys", "")
			newest := list["items"].([]any)[0].(object)
			id, _ = newest["worker_id"].(string)
			return newest["approved_at"] == nil
		})
		_, operator := s.token(hodei.Operator, "")
		status, got := s.as(operator, "POST", "/workers/"+id+"/approve", "")
		require.Equal(t, 200, status, got)
		waiting.ready()
	})
	t.Run("revocation", func(t *testing.T) {
		_, text := s.joinToken("")
		j := newJoiner(t)
		closed := make(chan struct{})
		_, err := j.connect(s, j.id, text, nats.ReconnectWait(time.Millisecond), nats.ClosedHandler(func(*nats.Conn) { close(closed) }))
		require.NoError(t, err)
		status, got := s.as(s.admin, "POST", "/workers/"+j.id.String()+"/revoke", "")
		require.Equal(t, 200, status, got)
		select {
		case <-closed:
		case <-time.After(time.Minute):
			t.Fatal("a revoked worker stays connected")
		}
		_, text = s.joinToken("")
		_, err = j.connect(s, j.id, text)
		require.ErrorIs(t, err, nats.ErrAuthorization, "not even with another token")
		_, list := s.as(s.admin, "GET", "/workers/keys", "")
		require.NotNil(t, list["items"].([]any)[0].(object)["revoked_at"])
	})
}

// joined records a worker that has joined a system without access control, which has none.
func (s *system) joined() (id string) {
	s.t.Helper()
	db, err := postgres.Open(s.t.Context(), s.database, 1)
	require.NoError(s.t, err)
	defer db.Close()
	uses, hash := 1, sha256.Sum256([]byte(rand.Text()))
	_, err = db.CreateToken(s.t.Context(), hodei.Token{Name: "workers", Role: hodei.RoleWorker, UsesLeft: &uses, NeedsApproval: true}, hash[:])
	require.NoError(s.t, err)
	k, err := db.AddWorkerKey(s.t.Context(), hash[:], hodei.WorkerKey{WorkerID: hodei.WorkerID(uuid.Must(uuid.NewV7())), PublicKey: rand.Text(), Name: "w", Address: "127.0.0.1"})
	require.NoError(s.t, err)
	return k.WorkerID.String()
}

// joining walks the operations on a worker that has joined.
func (w *walker) joining(id string) {
	w.ask(200, "listWorkerKeys", "", "limit=1", "")
	w.ask(200, "approveWorker", id, "", "")
	w.ask(200, "revokeWorker", id, "", "")
}

// endedAs waits for the end of an execution.
func (s guarded) endedAs(id string) (e object) {
	s.t.Helper()
	eventually(s.t, "the execution ends", time.Minute, func() bool {
		_, e = s.as(s.admin, "GET", "/executions/"+id, "")
		status, _ := e["status"].(string)
		return status == "COMPLETED" || status == "FAILED"
	})
	return e
}

// attackAsWorker tries what a worker may not: to speak for another, to read what is for others,
// to ask as a person, and to command JetStream.
func (s guarded) attackAsWorker(t *testing.T, victim string) {
	_, text := s.joinToken("")
	j, refused := newJoiner(t), make(chan string, 10)
	nc, err := j.connect(s, j.id, text, nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err.Error() }))
	require.NoError(t, err)
	for _, subject := range []string{
		"execution.log." + victim + ".x", "$KV.WORKERS." + victim, "hodei.v1.workers.register." + victim, "hodei.v1.executions.finish." + victim,
		"hodei.v1.workers.leave." + victim, "hodei.v1.tokens.create", "hodei.v1.access.authenticate", "people.hodei.v1.tokens.create", "execution.request." + victim,
		"$JS.API.STREAM.DELETE.EXECUTION_LOGS", "$JS.API.CONSUMER.CREATE.EXECUTION_LOGS.x", "$JS.API.STREAM.NAMES", "$SYS.REQ.USER.AUTH", "access.changed",
		"_INBOX.edge.x", "_R_.x.x", "$SYS.REQ.SERVER.PING.CONNZ",
	} {
		require.NoError(t, nc.Publish(subject, []byte("{}")))
		require.NoError(t, nc.Flush())
		require.Contains(t, <-refused, `"`+subject+`"`)
	}
	for _, subject := range []string{
		">", "_INBOX.>", "_INBOX.worker." + victim + ".>", "execution.request." + victim, "execution.request.*", "execution.log.>", "people.>", "hodei.v1.>",
		"$SYS.REQ.USER.AUTH", "_R_.>", "execution.stored." + victim, "$KV.WORKERS.>",
	} {
		_, err := nc.SubscribeSync(subject)
		require.NoError(t, err)
		require.NoError(t, nc.Flush())
		require.Contains(t, <-refused, `"`+subject+`"`)
	}
	// On its own subject it names another in the body.
	body := fmt.Sprintf(`{"worker_id":%q,"incarnation":"x","killed":true}`, victim)
	answer, err := nc.Request("hodei.v1.workers.leave."+j.id.String(), []byte(body), time.Minute)
	require.NoError(t, err)
	require.Contains(t, string(answer.Data), "FORBIDDEN")
	require.Empty(t, refused)
}
