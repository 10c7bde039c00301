package test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const hookKey = "it is a secret key"

const hooked = `
slug: hooked
params: { who: { default: nobody }, mode: { default: fast } }
hooks:
  - { kind: github, secret: HOOK_KEY, branches: [main], tags: ["v*"], params: { who: sender.login }, forks: approve }
  - { kind: gitea, secret: HOOK_KEY, branches: [develop, main], paths: ["web/**"], forks: run }
  - { kind: gitlab, secret: HOOK_KEY }
  - { kind: generic, secret: HOOK_KEY }
jobs:
  show:
    command: echo "$HODEI_TRIGGER|$HODEI_REF|$HODEI_BRANCH|$HODEI_TAG|$HODEI_BASE_BRANCH|$HODEI_PULL_REQUEST|$HODEI_COMMIT|$PARAM_WHO|$PARAM_MODE"
  secret:
    secrets: [DEPLOY_KEY]
    command: '[ -n "$DEPLOY_KEY" ] && echo has || echo without'
  go: { if: { changes: "**/*.go" }, command: "true" }
  css: { if: { changes: "**/*.css" }, command: "true" }
`

// hooks is a system with the pipeline hooked.
type hooks struct {
	*system
	urls map[string]string // by kind
}

func hookedSystem(t *testing.T, args ...string) *hooks {
	h := &hooks{system: up(t, args...), urls: map[string]string{}}
	for _, name := range []string{"HOOK_KEY", "DEPLOY_KEY"} {
		status, made := call(t, "PUT", h.orchestrator+"/secrets/"+name, `{"value":"`+hookKey+`"}`)
		require.Equal(t, 200, status, made)
	}
	h.apply(hooked)
	return h
}

func (h *hooks) apply(definition string) {
	status, raw, _ := request(h.t, "PUT", h.orchestrator+"/pipelines/hooked", definition, http.Header{"Content-Type": {"application/yaml"}})
	require.Less(h.t, status, 300, string(raw))
	_, list := call(h.t, "GET", h.orchestrator+"/hooks", "")
	for _, item := range list["items"].([]any) {
		h.urls[item.(object)["kind"].(string)] = item.(object)["url"].(string)
	}
}

func recorded(t *testing.T, name string) string {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("..", "services", "orchestrator", "hook", "testdata", name+".json"))
	require.NoError(t, err)
	return string(body)
}

func hookSum(key, text string) []byte {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

// signed are the headers of each system.
func signed(kind, event, id, key, body string) http.Header {
	sum := hex.EncodeToString(hookSum(key, body))
	switch kind {
	case "github":
		return http.Header{"X-Github-Event": {event}, "X-Github-Delivery": {id}, "X-Hub-Signature-256": {"sha256=" + sum}}
	case "gitea":
		return http.Header{"X-Gitea-Event": {event}, "X-Gitea-Delivery": {id}, "X-Gitea-Signature": {sum}, "X-Github-Event": {event}}
	case "gitlab":
		return http.Header{"X-Gitlab-Event": {event}, "X-Gitlab-Event-Uuid": {id}, "X-Gitlab-Token": {key}}
	}
	at := strconv.FormatInt(time.Now().Unix(), 10)
	return http.Header{
		"Webhook-Id": {id}, "Webhook-Timestamp": {at}, "Webhook-Signature": {"v1," + base64.StdEncoding.EncodeToString(hookSum(key, id+"."+at+"."+body))},
	}
}

// post posts an event to the hook of the kind.
func (h *hooks) post(kind, event, id, body string) (int, object) {
	h.t.Helper()
	status, raw, _ := request(h.t, "POST", h.orchestrator+h.urls[kind], body, signed(kind, event, id, hookKey, body))
	return status, decode(h.t, raw)
}

// started posts an event whose run is created after the answer, and returns the delivery with
// the run.
func (h *hooks) started(kind, event, id, body string) (d object) {
	h.t.Helper()
	status, d := h.post(kind, event, id, body)
	require.Equal(h.t, 202, status, d)
	require.Equal(h.t, "PENDING", d["status"])
	return h.settled(kind, d["id"])
}

// settled waits until a delivery is not PENDING.
func (h *hooks) settled(kind string, id any) (d object) {
	h.t.Helper()
	eventually(h.t, "the run is created", time.Minute, func() bool {
		_, list := call(h.t, "GET", h.orchestrator+h.urls[kind]+"/deliveries", "")
		for _, item := range list["items"].([]any) {
			if d = item.(object); d["id"] == id {
				return d["status"] != "PENDING"
			}
		}
		return false
	})
	return d
}

// endedRun waits for the end of a run.
func (h *hooks) endedRun(id any) (r object) {
	h.t.Helper()
	eventually(h.t, "the run ends", time.Minute, func() bool {
		_, r = call(h.t, "GET", h.orchestrator+"/runs/"+id.(string), "")
		return r["completed_at"] != nil
	})
	return r
}

// output is the first line that a job of a run printed.
func (h *hooks) output(r object, key string) string {
	h.t.Helper()
	for _, j := range r["jobs"].([]any) {
		if job := j.(object); job["key"] == key {
			_, raw, _ := request(h.t, "GET", h.orchestrator+"/executions/"+job["execution_id"].(string)+"/logs", "", http.Header{"Accept": {"text/plain"}})
			line, _, _ := strings.Cut(string(raw), "\n")
			return line
		}
	}
	h.t.Fatalf("no job %s", key)
	return ""
}

func statusOfJob(r object, key string) any {
	for _, j := range r["jobs"].([]any) {
		if job := j.(object); job["key"] == key {
			return job["status"]
		}
	}
	return nil
}

const pushed = "6113728f27ae82c7b1a177c8d03f9e96e0adf246"

// TestEventsStartRuns posts what each system sends, and reads what the commands of the run
// find in their environment.
func TestEventsStartRuns(t *testing.T) {
	t.Parallel()
	h := hookedSystem(t)
	for _, c := range []struct{ kind, event, payload, environment, secret, goFiles, css string }{
		{"github", "push", "github_push", "push|refs/heads/main|main||||" + pushed + "|octocat|fast", "has", "COMPLETED", "SKIPPED"},
		{"github", "push", "github_tag", "tag|refs/tags/v1.4.0||v1.4.0|||" + pushed + "|octocat|fast", "has", "COMPLETED", "COMPLETED"},
		{"github", "pull_request", "github_pull_request", "pull_request|refs/pull/27/head|||main|27|" + pushed + "|mona|fast", "has", "COMPLETED", "COMPLETED"},
		{"gitea", "push", "gitea_push", "push|refs/heads/develop|develop||||" + pushed + "|nobody|fast", "has", "SKIPPED", "COMPLETED"},
		{"gitea", "pull_request", "gitea_pull_request", "pull_request|refs/pull/12/head|||main|12|" + pushed + "|nobody|fast", "has", "COMPLETED", "COMPLETED"},
		{"gitea", "pull_request", "gitea_fork", "pull_request|refs/pull/13/head|||main|13|" + pushed + "|nobody|fast", "without", "COMPLETED", "COMPLETED"},
		{"gitlab", "Push Hook", "gitlab_push", "push|refs/heads/main|main||||" + pushed + "|nobody|fast", "has", "COMPLETED", "SKIPPED"},
		{"gitlab", "Merge Request Hook", "gitlab_merge_request", "pull_request|refs/merge-requests/7/head|||main|7|" + pushed + "|nobody|fast", "has", "COMPLETED", "COMPLETED"},
	} {
		d := h.started(c.kind, c.event, c.payload, recorded(t, c.payload))
		require.Equal(t, "STARTED", d["status"])
		r := h.endedRun(d["run_id"])
		require.Equal(t, "COMPLETED", r["status"], c.payload)
		require.Equal(t, c.environment, h.output(r, "show"), c.payload)
		require.Equal(t, c.secret, h.output(r, "secret"), c.payload)
		require.Equal(t, c.goFiles, statusOfJob(r, "go"), c.payload)
		require.Equal(t, c.css, statusOfJob(r, "css"), c.payload)
		require.Equal(t, d["id"], r["trigger"].(object)["delivery_id"])
	}
	d := h.started("generic", "", "one", `{"params":{"mode":"slow"},"ref":"refs/heads/x"}`)
	require.Equal(t, "hook|refs/heads/x|x|||||nobody|slow", h.output(h.endedRun(d["run_id"]), "show"))

	for _, c := range []struct{ kind, event, payload, reason string }{
		{"github", "ping", "github_ping", "EVENT"},
		{"github", "push", "github_delete", "EVENT"},
		{"github", "pull_request", "github_closed", "EVENT"},
		{"gitea", "push", "gitea_tag", "FILTERED"},
		{"gitlab", "Tag Push Hook", "gitlab_tag", "FILTERED"},
		{"gitlab", "Merge Request Hook", "gitlab_fork", "FORK"},
	} {
		status, d := h.post(c.kind, c.event, c.payload, recorded(t, c.payload))
		require.Equal(t, 200, status, d)
		require.Equal(t, object{"status": "IGNORED", "reason": c.reason, "run_id": nil}, object{"status": d["status"], "reason": d["reason"], "run_id": d["run_id"]}, c.payload)
		require.NotEmpty(t, d["message"])
	}
	d = h.started("generic", "", "two", `{"params":{"nobody":"knows"}}`)
	require.Equal(t, object{"status": "REFUSED", "reason": "INVALID"}, object{"status": d["status"], "reason": d["reason"]})
	require.Contains(t, d["message"], "params.nobody")
}

// TestDeliveriesThatAreRefused: without a valid signature nothing is kept but the reason, and
// nothing is learned.
func TestDeliveriesThatAreRefused(t *testing.T) {
	t.Parallel()
	h := hookedSystem(t)
	body := recorded(t, "github_push")
	good := signed("github", "push", "a", hookKey, body)
	for name, header := range map[string]http.Header{
		"another key": signed("github", "push", "a", "another key", body), "another body": signed("github", "push", "a", hookKey, body+" "),
		"none": {"X-Github-Event": {"push"}}, "not hexadecimal": {"X-Hub-Signature-256": {"sha256=zz"}}, "of gitea": signed("gitea", "push", "a", hookKey, body)} {
		if name == "of gitea" {
			header.Del("X-Hub-Signature-256")
		}
		status, raw, _ := request(t, "POST", h.orchestrator+h.urls["github"], body, header)
		require.Equal(t, 401, status, name)
		failed := decode(t, raw)
		require.Equal(t, "The signature is not valid", failed["message"], name)
		require.NotContains(t, failed, "details")
	}
	for kind, header := range map[string]http.Header{
		"gitlab": signed("gitlab", "Push Hook", "b", "another key", body), "generic": signed("generic", "", "c", "another key", "{}"), "gitea": {},
	} {
		status, _, _ := request(t, "POST", h.orchestrator+h.urls[kind], body, header)
		require.Equal(t, 401, status, kind)
	}
	_, list := call(t, "GET", h.orchestrator+strings.TrimPrefix(h.urls["github"], "/api/v1"), "")
	require.NotNil(t, list["refused_at"])
	require.NotEmpty(t, list["refusal"])
	_, deliveries := call(t, "GET", h.orchestrator+h.urls["github"]+"/deliveries", "")
	require.Empty(t, deliveries["items"])

	status, _, _ := request(t, "POST", h.orchestrator+"/hooks/hook_018d0c9f-1c40-7a1b-9d52-6f0e8a7b3c92", body, good)
	require.Equal(t, 404, status)
	form := good.Clone()
	form.Set("Content-Type", "application/x-www-form-urlencoded")
	status, _, _ = request(t, "POST", h.orchestrator+h.urls["github"], "payload=%7B%7D", form)
	require.Equal(t, 415, status)
	status, _, _ = request(t, "POST", h.orchestrator+h.urls["github"], strings.Repeat(" ", 1<<20+1), good)
	require.Equal(t, 413, status)
	large := `{"zen":"` + strings.Repeat("x", 1<<20-20) + `"}`
	status, raw, _ := request(t, "POST", h.orchestrator+h.urls["github"], large, signed("github", "ping", "large", hookKey, large))
	require.Equal(t, 200, status, string(raw))
	status, raw, _ = request(t, "POST", h.orchestrator+h.urls["github"], body, good)
	require.Equal(t, 202, status, string(raw))

	refused := 0
	for refused < 40 { // an address that goes on is slowed down
		if status, _, _ = request(t, "POST", h.orchestrator+h.urls["github"], body, nil); status == 429 {
			break
		}
		refused++
	}
	require.Equal(t, 429, status)
}

// TestASlowBodyKeepsNobodyOut: who sends headers and no body loses the connection.
func TestASlowBodyKeepsNobodyOut(t *testing.T) {
	t.Parallel()
	h := hookedSystem(t)
	conns := make([]net.Conn, 64)
	for i := range conns {
		conn, err := net.Dial("tcp", strings.TrimPrefix(h.orchestrator, "http://"))
		require.NoError(t, err)
		defer conn.Close()
		_, err = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{", h.urls["github"])
		require.NoError(t, err)
		conns[i] = conn
	}
	for _, conn := range conns {
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(20*time.Second)))
		answer, err := io.ReadAll(conn)
		require.NoError(t, err)
		require.Regexp(t, "^HTTP/1.1 (400|429) ", string(answer))
	}
	body := `{"object_kind":"push","ref":"refs/heads/main","after":"` + pushed + `"}`
	eventually(t, "the address may post again", time.Minute, func() bool {
		status, _, _ := request(t, "POST", h.orchestrator+h.urls["gitlab"], body, signed("gitlab", "Push Hook", "late", hookKey, body))
		return status == 202
	})
}

// TestADeliveryStartsOnce: whatever is sent again, under whatever id, and at the same time.
func TestADeliveryStartsOnce(t *testing.T) {
	t.Parallel()
	h := hookedSystem(t)
	body := recorded(t, "github_push")
	var wg sync.WaitGroup
	ids := make([]any, 8)
	for i := range ids {
		wg.Go(func() {
			id := "same"
			if i%2 == 1 {
				id = fmt.Sprint("forged", i)
			}
			_, raw, _ := request(t, "POST", h.orchestrator+h.urls["github"], body, signed("github", "push", id, hookKey, body))
			var d object
			_ = json.Unmarshal(raw, &d)
			ids[i] = d["id"]
		})
	}
	wg.Wait()
	for _, id := range ids {
		require.NotNil(t, id)
		require.Equal(t, ids[0], id)
	}
	require.Equal(t, 1.0, h.settled("github", ids[0])["run_number"])
	require.Equal(t, 2.0, h.started("generic", "", "once", "{}")["run_number"])
	status, d := h.post("generic", "", "once", "{}")
	require.Equal(t, 201, status)
	require.Equal(t, 2.0, d["run_number"])
	require.Equal(t, 3.0, h.started("generic", "", "twice", "{}")["run_number"])
	_, runs := call(t, "GET", h.orchestrator+"/runs?trigger=push,hook", "")
	require.Len(t, runs["items"], 3)
}

// TestAForkNeedsAnApproval: no secret before, and one approval for one commit.
func TestAForkNeedsAnApproval(t *testing.T) {
	t.Parallel()
	h := hookedSystem(t)
	status, raw, _ := request(t, "PUT", h.orchestrator+"/pipelines/child", "jobs: { secret: { secrets: [DEPLOY_KEY], command: '[ -n \"$DEPLOY_KEY\" ] && echo has || echo without' } }",
		http.Header{"Content-Type": {"application/yaml"}})
	require.Equal(t, 201, status, string(raw))
	h.apply(hooked + "  child: { pipeline: { slug: child } }\n")
	child := func(r object) string {
		for _, j := range r["jobs"].([]any) {
			if c, ok := j.(object)["child"].(object); ok {
				return h.output(h.endedRun(c["run_id"]), "secret")
			}
		}
		return "no child"
	}
	status, d := h.post("github", "pull_request", "fork", recorded(t, "github_fork"))
	require.Equal(t, 202, status, d)
	require.Equal(t, "BLOCKED", d["status"])
	_, runs := call(t, "GET", h.orchestrator+"/runs", "")
	require.Empty(t, runs["items"])
	at := h.orchestrator + h.urls["github"] + "/deliveries/" + d["id"].(string)
	status, again := call(t, "POST", at+"/redeliver", "")
	require.Equal(t, 201, status, again)
	require.Equal(t, "BLOCKED", again["status"])
	status, approved := call(t, "POST", at+"/approve", "")
	require.Equal(t, 200, status, approved)
	require.Equal(t, "STARTED", approved["status"])
	r := h.endedRun(approved["run_id"])
	require.Equal(t, "has", h.output(r, "secret"))
	require.Equal(t, "has", child(r))
	require.Equal(t, true, r["trigger"].(object)["fork"])
	status, _ = call(t, "POST", at+"/approve", "")
	require.Equal(t, 409, status)
	at = h.orchestrator + h.urls["github"] + "/deliveries/" + again["id"].(string)
	status, rejected := call(t, "POST", at+"/reject", "")
	require.Equal(t, 200, status, rejected)
	require.Equal(t, object{"status": "REFUSED", "reason": "REJECTED", "run_id": nil},
		object{"status": rejected["status"], "reason": rejected["reason"], "run_id": rejected["run_id"]})
	status, _ = call(t, "POST", at+"/approve", "")
	require.Equal(t, 409, status)

	// Without an approval a fork has no secrets, and neither has a rerun.
	d = h.started("gitea", "pull_request", "fork", recorded(t, "gitea_fork"))
	r = h.endedRun(d["run_id"])
	require.Equal(t, "without", h.output(r, "secret"))
	require.Equal(t, "without", child(r))
	status, r = call(t, "POST", h.orchestrator+"/runs/"+r["id"].(string)+"/rerun", `{"jobs":"all"}`)
	require.Equal(t, 201, status, r)
	r = h.endedRun(r["id"])
	require.Equal(t, "without", h.output(r, "secret"))
	require.Equal(t, "without", child(r))
}

// TestHooksOfTheCommandLine: what a person does with a hook, over both transports.
func TestHooksOfTheCommandLine(t *testing.T) {
	t.Parallel()
	h := hookedSystem(t)
	for _, transport := range []string{"--server=" + h.orchestrator, "--nats=" + h.nats} {
		hodei := func(args ...string) string {
			out, err := exec.Command(binary, append(args, transport)...).Output()
			require.NoError(t, err, "%v: %s", args, out)
			return strings.TrimSpace(string(out))
		}
		url := hodei("hook", "create", "--pipeline", "hooked", "--kind", "github", "--secret", "HOOK_KEY", "--forks", "approve", "-p", "who=sender.login")
		id := url[strings.LastIndex(url, "/")+1:]
		h.urls["github"] = url
		_, d := h.post("github", "pull_request", "fork", recorded(t, "github_fork"))
		require.Contains(t, hodei("hook", "ls", "--pipeline", "hooked"), id)
		require.Contains(t, hodei("hook", "show", id), url)
		require.Contains(t, hodei("hook", "deliveries", id, "--status", "blocked"), d["id"].(string))
		run := hodei("hook", "approve", id, d["id"].(string))
		require.Equal(t, "mona", h.endedRun(run)["params"].(object)["who"])
		_, d = h.post("github", "pull_request", "fork again", recorded(t, "gitea_fork"))
		require.Equal(t, d["id"], hodei("hook", "reject", id, d["id"].(string)))
		d = h.started("github", "push", "push", recorded(t, "github_push"))
		require.Regexp(t, "^run_", hodei("hook", "redeliver", id, d["id"].(string)))
		for args, path := range map[string]string{"hook ls": "/hooks", "hook show " + id: "/hooks/" + id, "hook deliveries " + id: "/hooks/" + id + "/deliveries"} {
			_, raw, _ := request(t, "GET", h.orchestrator+path, "", nil)
			require.JSONEq(t, string(raw), hodei(append(strings.Fields(args), "-o", "json")...))
		}
		hodei("hook", "rm", id)
		status, _ := call(t, "GET", h.orchestrator+"/hooks/"+id, "")
		require.Equal(t, 404, status)
	}
}

// TestRedelivery uses the hook as it is now, whose URL stays.
func TestRedelivery(t *testing.T) {
	t.Parallel()
	h := hookedSystem(t)
	url := h.urls["github"]
	d := h.started("github", "push", "x", recorded(t, "github_push"))
	h.apply(strings.Replace(hooked, "branches: [main]", "branches: [next]", 1))
	require.Equal(t, url, h.urls["github"])
	at := h.orchestrator + url + "/deliveries/"
	status, again := call(t, "POST", at+d["id"].(string)+"/redeliver", "")
	require.Equal(t, 201, status, again)
	require.Equal(t, object{"status": "IGNORED", "reason": "FILTERED", "of": d["id"]}, object{"status": again["status"], "reason": again["reason"], "of": again["redelivery_of"]})
	h.apply(hooked)
	_, again = call(t, "POST", at+again["id"].(string)+"/redeliver", "")
	require.Equal(t, "STARTED", again["status"])
	_, list := call(t, "GET", at[:len(at)-1]+"?status=started", "")
	require.Len(t, list["items"], 2)
	require.Equal(t, again["id"], list["items"].([]any)[0].(object)["id"])
}
