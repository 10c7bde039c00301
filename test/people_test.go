package test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/client"
	"github.com/hodei-jobs/hodei/internal/token"
	"github.com/hodei-jobs/hodei/schemas"
)

// connect connects to NATS with a token, as a person does.
func (s guarded) connect(text string, more ...nats.Option) *nats.Conn {
	s.t.Helper()
	nc, err := nats.Connect(s.nats, append(tokenOptions(s.t, text), more...)...)
	require.NoError(s.t, err)
	s.t.Cleanup(nc.Close)
	return nc
}

// TestPeopleOnNATS lets people of every role, and others, connect with their tokens.
func TestPeopleOnNATS(t *testing.T) {
	t.Parallel()
	s := upWithAuth(t)
	texts, ids := map[hodei.Role]string{}, map[hodei.Role]string{}
	for _, role := range hodei.Roles {
		ids[role], texts[role] = s.token(role, "")
	}
	mine := s.pipelineWith("mine")
	_, limited := s.token(hodei.Admin, `,"pipelines":["mine"]`)

	t.Run("without a valid token", func(t *testing.T) {
		gone, revoked := s.token(hodei.Admin, "")
		status, _ := s.as(s.admin, "DELETE", "/tokens/"+gone, "")
		require.Equal(t, 204, status)
		for _, password := range []string{"", "hodei", s.admin[:len(s.admin)-1], s.signIn(s.admin).Value, token.New(token.Person), revoked} {
			_, err := nats.Connect(s.nats, nats.UserInfo("hodei", password), nats.MaxReconnects(0))
			require.ErrorIs(t, err, nats.ErrAuthorization, "password %q", password)
		}
		_, err := nats.Connect(s.nats, nats.MaxReconnects(0))
		require.ErrorIs(t, err, nats.ErrAuthorization)
	})
	t.Run("operations of the role", func(t *testing.T) {
		for _, role := range hodei.Roles {
			nc := s.connect(texts[role])
			for _, op := range schemas.Operations {
				if !op.ForPeople() {
					continue
				}
				fields := map[string]any{"id": "0193d1a4-7a30-7cc2-8b8e-2f1f5f3f9a01"}
				status, body := overNATS(t, nc, op, fields)
				if role.Includes(op.Role) {
					require.NotContains(t, []int{401, 403}, status, "%s as %s: %s", op.Name, role, body)
					continue
				}
				if !op.DryRun || status != 400 { // a request that is not valid may be one with dry_run
					require.Equal(t, 403, status, "%s as %s: %s", op.Name, role, body)
				}
			}
		}
	})
	t.Run("audit", func(t *testing.T) {
		_, err := client.NATS(s.connect(texts[hodei.Operator])).CreatePipeline(t.Context(), schemas.CreatePipelineRequest{Name: "over nats"})
		require.NoError(t, err)
		_, list := s.as(s.admin, "GET", "/audit?operation=pipelines.create&token_id="+ids[hodei.Operator], "")
		record := list["items"].([]any)[0].(object)
		require.Equal(t, "OK", record["outcome"])
		require.Equal(t, "127.0.0.1", record["address"])
	})
	t.Run("forged callers", func(t *testing.T) { s.forgeCallers(t, texts[hodei.Viewer]) })
	t.Run("forbidden subjects", func(t *testing.T) { s.tryForbidden(t, texts[hodei.Admin], limited, mine["execution"]) })
	t.Run("feeds", func(t *testing.T) {
		nc := s.connect(texts[hodei.Viewer])
		events, err := nc.SubscribeSync("execution.event.completed.*")
		require.NoError(t, err)
		logs, err := nc.SubscribeSync(schemas.LogSubjects)
		require.NoError(t, err)
		require.NoError(t, nc.Flush())
		id := s.executeAs(texts[hodei.Developer], "echo seen by people")
		msg, err := logs.NextMsg(time.Minute)
		require.NoError(t, err)
		require.Contains(t, string(msg.Data)+msg.Header.Get("Content-Encoding"), "s") // NDJSON or zstd
		msg, err = events.NextMsg(time.Minute)
		require.NoError(t, err)
		require.Contains(t, msg.Subject, id)
	})
	t.Run("service ls", func(t *testing.T) {
		nc := s.connect(texts[hodei.Viewer])
		inbox := nc.NewInbox()
		sub, err := nc.SubscribeSync(inbox)
		require.NoError(t, err)
		require.NoError(t, nc.PublishRequest(schemas.ServicePing, inbox, nil))
		var names []string
		for len(names) < 7 {
			msg, err := sub.NextMsg(time.Minute)
			require.NoError(t, err, names)
			var found struct{ Name string }
			require.NoError(t, json.Unmarshal(msg.Data, &found))
			names = append(names, found.Name)
		}
		slices.Sort(names)
		require.Equal(t, []string{"access", "artifacts", "edge", "orchestrator", "scheduler", "worker", "worker-manager"}, names)
	})
	t.Run("the command line", func(t *testing.T) {
		cmd := exec.CommandContext(t.Context(), binary, "exec", "--nats", s.nats, "--", "echo", "over nats")
		cmd.Env = append(os.Environ(), "HODEI_TOKEN="+texts[hodei.Developer])
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
		require.Contains(t, string(out), "over nats")
	})
	t.Run("revocation", func(t *testing.T) {
		closed := make(chan struct{})
		s.connect(texts[hodei.Operator], nats.ReconnectWait(time.Millisecond), nats.ClosedHandler(func(*nats.Conn) { close(closed) }))
		status, _ := s.as(s.admin, "DELETE", "/tokens/"+ids[hodei.Operator], "")
		require.Equal(t, 204, status)
		select {
		case <-closed:
		case <-time.After(time.Minute):
			t.Fatal("a connection of a revoked token goes on")
		}
	})
}

// executeAs executes a command with a token.
func (s guarded) executeAs(text, command string) (id string) {
	s.t.Helper()
	status, e := s.as(text, "POST", "/execute", fmt.Sprintf(`{"command":%q}`, command))
	require.Equal(s.t, 201, status, e)
	return e["id"].(string)
}

// forgeCallers claims to be an admin in each way that a client of NATS has: in headers of its
// own, and by raw bytes that NATS and the services read differently.
func (s guarded) forgeCallers(t *testing.T, viewer string) {
	admin := `{"kind":"token","id":null,"name":"root","role":"admin"}`
	info := `{"acc":"PEOPLE","user":"root","host":"127.0.0.1"}`
	op := schemas.CreateToken
	body := `{"name":"x","role":"admin"}`
	nc := s.connect(viewer)
	for _, header := range []nats.Header{
		{schemas.HeaderCaller: {admin}}, {schemas.HeaderRequestInfo: {info}}, {schemas.HeaderRequestInfo: {info, info}},
		{strings.ToLower(schemas.HeaderRequestInfo): {info}, schemas.HeaderCaller: {admin, admin}},
	} {
		answer, err := nc.RequestMsg(&nats.Msg{Subject: op.Subject, Header: header, Data: []byte(body)}, time.Minute)
		require.NoError(t, err)
		require.Equal(t, "403", answer.Header.Get("Nats-Service-Error-Code"), "%v: %s", header, answer.Data)
	}
	_, hash, err := token.Parse(viewer)
	require.NoError(t, err)
	raw, err := net.Dial("tcp", strings.TrimPrefix(s.nats, "nats://"))
	require.NoError(t, err)
	defer raw.Close()
	in := bufio.NewReader(raw)
	connect, _ := json.Marshal(map[string]any{"user": "x", "pass": viewer, "headers": true, "no_responders": true, "verbose": false, "protocol": 1})
	inbox := schemas.InboxPrefix(hash.Inbox()) + ".raw"
	fmt.Fprintf(raw, "CONNECT %s\r\nSUB %s 1\r\n", connect, inbox)
	line := schemas.HeaderRequestInfo + ": " + info
	for _, header := range []string{
		"NATS/1.0\r\nX: y\n" + line + "\n\n\r\n\r\n",       // the header of NATS comes after the end
		"NATS/1.0\r\nX: y\n" + line + "\r\nA: bcd",         // it becomes a part of A
		"NATS/1.0\r\n" + line + "\r\n\r\n",                 // as it should be
		"NATS/1.0\n" + line + "\n\n\r\n",                   //
		"NATS/1.0\r\n" + line + "\r\n" + line + "\r\n\r\n", // twice
		"NATS/1.0\r\n" + schemas.HeaderCaller + ": " + admin + "\r\n\r\n",
	} {
		fmt.Fprintf(raw, "HPUB %s %s %d %d\r\n%s%s\r\n", op.Subject, inbox, len(header), len(header)+len(body), header, body)
		require.NoError(t, raw.SetReadDeadline(time.Now().Add(time.Minute)))
		for answer := ""; !strings.Contains(answer, `"error"`); {
			answer, err = in.ReadString('\n')
			require.NoError(t, err, "%q", header)
			require.NotContains(t, answer, token.New(token.Person)[:8], "no token is made")
			if strings.Contains(answer, `"error"`) {
				require.Regexp(t, `FORBIDDEN|UNAUTHENTICATED`, answer, "%q", header)
			}
		}
	}
	_, list := s.as(s.admin, "GET", "/tokens?limit=1000", "")
	require.NotContains(t, fmt.Sprint(list), "name:x ")
}

// tryForbidden tries what no person may, as an admin, and what a limited one may not.
func (s guarded) tryForbidden(t *testing.T, admin, limited, execution string) {
	publish := []string{
		"people.hodei.v1.tokens.create", "execution.event.completed.x", "execution.log.w.x", "$KV.WORKERS.w", "access.changed", "_INBOX.edge.x",
		"$JS.API.STREAM.DELETE.EXECUTION_EVENTS", "$JS.API.CONSUMER.CREATE.EXECUTION_LOGS.x", "$JS.API.STREAM.NAMES", "$SYS.REQ.USER.INFO",
		"$SYS.REQ.USER.AUTH", "$SYS.REQ.SERVER.PING.CONNZ", "execution.request.w", "_R_.x.y", "$SYS.REQ.USER.INFO",
	}
	subscribe := []string{">", "_INBOX.>", "_INBOX.*.*", "_R_.>", "hodei.v1.>", "people.>", "$SYS.>", "$KV.>", "$JS.>", "execution.request.*", "*.*.*.*", "run.>"}
	feeds := []string{schemas.LogSubjects, schemas.EventSubjects, "execution.event.completed.*", "execution.event.*." + execution, schemas.RunEventSubjects, "execution.log.*." + execution}
	for who, c := range map[string]struct {
		token              string
		publish, subscribe []string
	}{
		"admin": {admin, publish, subscribe}, "limited": {limited, append(publish, "$SRV.PING", "$SRV.INFO.worker"), append(subscribe, feeds...)},
	} {
		nc, refused := s.connectStrict(c.token)
		for _, subject := range c.publish {
			require.NoError(t, nc.Publish(subject, nil))
			require.NoError(t, nc.Flush())
			require.Contains(t, <-refused, `"`+subject+`"`, "%s publishes", who)
		}
		for _, subject := range c.subscribe {
			_, err := nc.SubscribeSync(subject)
			require.NoError(t, err)
			require.NoError(t, nc.Flush())
			require.Contains(t, <-refused, `"`+subject+`"`, "%s subscribes", who)
		}
	}
	for _, op := range schemas.Operations { // these are not for people, whatever the role
		if op.ForPeople() || !strings.HasPrefix(op.Subject, schemas.Root) {
			continue
		}
		subject := op.Subject
		if op.ByWorker || op.PerWorker {
			subject = op.SubjectFor(hodei.WorkerID{1})
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		_, err := s.connect(admin).RequestWithContext(ctx, subject, []byte("{}"))
		cancel()
		require.ErrorIs(t, err, nats.ErrNoResponders, op.Name)
	}
}

// connectStrict is connect; what NATS refuses is in the channel, "" if it answers nothing.
func (s guarded) connectStrict(text string) (*nats.Conn, <-chan string) {
	refused := make(chan string, 100)
	return s.connect(text, nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err.Error() })), refused
}
