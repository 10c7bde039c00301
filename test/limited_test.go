package test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
)

// belongings are the ids of what one pipeline has, by their nouns.
type belongings map[string]string

// pipelineWith makes a pipeline with one of everything.
func (s guarded) pipelineWith(slug string) belongings {
	s.t.Helper()
	make := func(method, path, body string) object {
		status, out := s.as(s.admin, method, path, body)
		require.Contains(s.t, []int{200, 201, 202}, status, out)
		return out
	}
	out := belongings{"pipeline": s.defined(slug), "slug": slug}
	out["notification"] = make("POST", "/pipelines/"+slug+"/notify", "")["items"].([]any)[0].(object)["id"].(string)
	out["job"] = make("GET", "/jobs?pipeline_id="+slug, "")["items"].([]any)[0].(object)["id"].(string)
	out["execution"] = make("POST", "/jobs/"+out["job"]+"/execute", `{"wait_seconds":0}`)["execution_id"].(string)
	out["run"] = make("POST", "/pipelines/"+slug+"/execute", "")["id"].(string)
	make("PUT", "/secrets/HOOK", `{"value":"a secret value"}`)
	out["hook"] = make("POST", "/hooks", `{"pipeline_id":"`+slug+`","kind":"gitlab","secret":"HOOK"}`)["id"].(string)
	out["schedule"] = make("POST", "/schedules", `{"pipeline_id":"`+slug+`","cron":"0 0 1 1 *","paused":true}`)["id"].(string)
	return out
}

// defined applies a pipeline and returns its id.
func (s guarded) defined(slug string) string {
	s.t.Helper()
	status, out := s.as(s.admin, "PUT", "/pipelines/"+slug, `{"notify":[{"webhook":"http://10.0.0.1/x"}],"jobs":{"only":{"command":"echo x > f","artifacts":[{"name":"a","paths":["f"]}],"caches":[{"key":"k","paths":["f"]}]}}}`)
	require.Contains(s.t, []int{200, 201}, status, out)
	return out["pipeline"].(object)["id"].(string)
}

// pipelineWithArtifact is pipelineWith, an artifact and a cache. It needs a worker, which is cordoned
// afterwards, so that nothing else runs.
func (s guarded) pipelineWithArtifact(slug string) belongings {
	s.t.Helper()
	s.defined(slug)
	artifact := s.artifactOf(slug)
	out := s.pipelineWith(slug)
	out["artifact"] = artifact
	_, caches := s.as(s.admin, "GET", "/pipelines/"+slug+"/caches", "")
	out["cache"] = caches["items"].([]any)[0].(object)["id"].(string)
	return out
}

// artifactOf runs a pipeline once and returns its artifact.
func (s guarded) artifactOf(slug string) (id string) {
	s.t.Helper()
	_, workers := s.as(s.admin, "GET", "/workers", "")
	worker := workers["items"].([]any)[0].(object)["id"].(string)
	s.as(s.admin, "POST", "/workers/"+worker+"/uncordon", "")
	status, run := s.as(s.admin, "POST", "/pipelines/"+slug+"/execute", "")
	require.Equal(s.t, 201, status, run)
	eventually(s.t, "the artifact is there", time.Minute, func() bool {
		_, list := s.as(s.admin, "GET", "/runs/"+run["id"].(string)+"/artifacts", "")
		items := list["items"].([]any)
		if len(items) == 1 {
			id = items[0].(object)["id"].(string)
		}
		_, now := s.as(s.admin, "GET", "/runs/"+run["id"].(string), "")
		return id != "" && now["status"] == "COMPLETED"
	})
	status, cordoned := s.as(s.admin, "POST", "/workers/"+worker+"/cordon", "")
	require.Equal(s.t, 202, status, cordoned)
	return id
}

// request fills the fields of an operation's limit with what a pipeline has.
func (b belongings) request(op *schemas.Op) map[string]any {
	body := map[string]any{}
	for name := range strings.SplitSeq(string(op.Limit), ",") {
		noun := strings.TrimSuffix(name, "_id")
		switch {
		case op.Limit == schemas.LimitRefused || op.Limit == schemas.LimitOwn || op.Limit == schemas.LimitNone:
			continue
		case name == "id":
			noun = strings.TrimSuffix(strings.Split(op.Name, ".")[0], "s")
			switch {
			case noun == "log":
				noun = "execution"
			case op.Name == "notifications.test", noun == "source", op.Name == "artifacts.reports", op.Name == "caches.list":
				noun = "pipeline"
			case op.Name == "artifacts.list":
				noun = "run"
			}
		case len(body) > 0:
			continue // one of several that exclude each other
		}
		body[name] = b[noun]
	}
	return body
}

// rest are further fields without which an operation is not valid.
var rest = map[string]map[string]any{
	"jobs.create": {"command": "true"}, "schedules.create": {"cron": "0 0 1 1 *"}, "secrets.set": {"name": "LIMITED", "value": "a secret value"},
	"secrets.delete": {"name": "LIMITED"}, "runs.approve": {"key": "only"}, "runs.reject": {"key": "only"},
	"schedules.backfill": {"from": "2026-01-01T00:00:00Z"}, "pipelines.apply": {"jobs": map[string]any{"only": map[string]any{"command": "true"}}},
	"hooks.create": {"kind": "gitlab", "secret": "HOOK"}, "hooks.redeliver": {"delivery_id": "dlv_0193d1a4-7a30-7cc2-8b8e-2f1f5f3f9a01"},
	"hooks.approve": {"delivery_id": "dlv_0193d1a4-7a30-7cc2-8b8e-2f1f5f3f9a01"}, "hooks.reject": {"delivery_id": "dlv_0193d1a4-7a30-7cc2-8b8e-2f1f5f3f9a01"},
	"schemas.get": {"name": "pipeline"}, "jobs.execute": {"wait_seconds": 0}, "logs.read": {"after": 0, "limit": 1},
	"sources.begin":  {"sha256": strings.Repeat("0", 64), "size": 3},
	"sources.write":  {"upload_id": "blob_0193d1a4-7a30-7cc2-8b8e-2f1f5f3f9a01", "data": "YWJj"},
	"sources.commit": {"upload_id": "blob_0193d1a4-7a30-7cc2-8b8e-2f1f5f3f9a01"},
}

// overHTTP makes the request of an operation by its route.
func (s guarded) overHTTP(op *schemas.Op, text string, fields map[string]any) (status int, body []byte) {
	s.t.Helper()
	fields, query := maps.Clone(fields), url.Values{}
	path := regexp.MustCompile(`\{(\w+)\}`).ReplaceAllStringFunc(op.Path, func(name string) string {
		value := fmt.Sprint(fields[name[1:len(name)-1]])
		delete(fields, name[1:len(name)-1])
		return url.PathEscape(value)
	})
	for _, f := range op.Fields() {
		if value, given := fields[f.Name]; given && f.In == "query" {
			query.Set(f.Name, fmt.Sprint(value))
			delete(fields, f.Name)
		}
	}
	sent := ""
	if op.Method != "GET" && op.Method != "DELETE" {
		encoded, err := json.Marshal(fields)
		require.NoError(s.t, err)
		sent = string(encoded)
	}
	status, body, _ = request(s.t, op.Method, s.orchestrator+path+"?"+query.Encode(), sent, http.Header{"Authorization": {"Bearer " + text}})
	return status, body
}

// overNATS makes the request of an operation.
func overNATS(t *testing.T, nc *nats.Conn, op *schemas.Op, fields map[string]any) (status int, body []byte) {
	t.Helper()
	sent, err := json.Marshal(fields)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	reply, err := rpc.Forward(ctx, nc, op, op.Subject, sent)
	if err != nil {
		return hodei.AsError(err).Code.Status(), []byte(err.Error())
	}
	return reply.Status, reply.Body
}

// TestEveryOperationWithALimitedToken asks for every operation of people, by HTTP and by NATS,
// with the token of an admin that is limited to one pipeline of two: for its own records, for
// those of the other one, and for what belongs to none.
func TestEveryOperationWithALimitedToken(t *testing.T) {
	t.Parallel()
	s := upWithAuth(t, "--workers", "1")
	mine, others := s.pipelineWithArtifact("mine"), s.pipelineWithArtifact("others")
	foreign := regexp.MustCompile(others["pipeline"] + "|" + others["job"] + "|" + others["execution"] + "|" + others["run"] + "|" + others["schedule"] + "|" + others["hook"] + "|" + others["notification"] + "|" + others["artifact"] + "|" + others["cache"])
	_, text := s.token(hodei.Admin, `,"pipelines":["mine"]`)
	_, who := s.as(text, "GET", "/whoami", "")
	require.Equal(t, []any{mine["pipeline"]}, who["pipelines"])
	nc := s.connect(text)

	ways := map[string]func(*schemas.Op, map[string]any) (int, []byte){
		"HTTP": func(op *schemas.Op, fields map[string]any) (int, []byte) { return s.overHTTP(op, text, fields) },
		"NATS": func(op *schemas.Op, fields map[string]any) (int, []byte) { return overNATS(t, nc, op, fields) },
	}
	deletes := func(op *schemas.Op) bool { return op.Method == "DELETE" }
	ops := slices.Clone(schemas.Operations) // what deletes comes last: pipelines after all else
	slices.SortStableFunc(ops, func(a, b *schemas.Op) int { return order(deletes(a)) - order(deletes(b)) })
	for _, op := range ops {
		for way, ask := range ways {
			if !slices.Contains(hodei.Roles, op.Role) || way == "HTTP" && op.Method == "" || way == "NATS" && op.Subject == "" {
				continue
			}
			what := op.Name + " over " + way
			with := func(fields map[string]any) map[string]any { maps.Copy(fields, rest[op.Name]); return fields }
			switch op.Limit {
			case schemas.LimitRefused:
				status, body := ask(op, with(map[string]any{"id": "0193d1a4-7a30-7cc2-8b8e-2f1f5f3f9a01"}))
				require.Equal(t, 403, status, "%s: %s", what, body)
			case schemas.LimitNone:
				status, body := ask(op, with(map[string]any{}))
				require.Equal(t, 200, status, "%s: %s", what, body)
			case schemas.LimitOwn:
				status, body := ask(op, map[string]any{})
				require.Equal(t, 200, status, "%s: %s", what, body)
				require.NotRegexp(t, foreign, string(body), what)
				if !op.Streams {
					require.Contains(t, string(body), mine[strings.TrimSuffix(strings.Split(op.Name, ".")[0], "s")], what)
				}
			default:
				status, body := ask(op, with(others.request(op)))
				require.Equal(t, 404, status, "%s of another pipeline: %s", what, body)
				if len(op.Limit) > len("id") && op.Limit != "slug" { // without the field
					status, body = ask(op, with(map[string]any{"dry_run": true}))
					require.Contains(t, []int{400, 403}, status, "%s of no pipeline: %s", what, body)
				}
				if deletes(op) && way == "HTTP" { // once
					continue
				}
				status, body = ask(op, with(mine.request(op)))
				if rest[op.Name]["upload_id"] != nil { // there is none
					require.Contains(t, strings.ToLower(string(body)), "blob", what)
					continue
				}
				if rest[op.Name]["delivery_id"] != nil { // there is none
					require.Contains(t, strings.ToLower(string(body)), "delivery", what)
					continue
				}
				require.NotContains(t, []int{401, 403, 404}, status, "%s of its own pipeline: %s", what, body)
			}
		}
	}
	for noun, path := range map[string]string{"pipeline": "/pipelines/", "job": "/jobs/", "execution": "/executions/", "run": "/runs/", "schedule": "/schedules/", "hook": "/hooks/", "artifact": "/artifacts/"} {
		status, _ := s.as(s.admin, "GET", path+others[noun], "")
		require.Equal(t, 200, status, "the %s of the other pipeline is there", noun)
	}
}

func order(last bool) int {
	if last {
		return 1
	}
	return 0
}

// TestALimitedTokenLearnsNothingOfOtherPipelines asks in ways that would reveal that something
// exists, and by which a definition would start another pipeline.
func TestALimitedTokenLearnsNothingOfOtherPipelines(t *testing.T) {
	t.Parallel()
	s := upWithAuth(t, "--workers", "0")
	mine, others := s.pipelineWith("mine"), s.pipelineWith("others")
	_, text := s.token(hodei.Operator, `,"pipelines":["mine"]`)
	for there, missing := range map[string]string{
		"/pipelines/others": "/pipelines/nosuch", "/runs/others%231": "/runs/nosuch%231", "/executions/others%231%2Fonly": "/executions/nosuch%231%2Fonly",
		"/executions/others%231%2Fonly/logs/stream": "/executions/nosuch%231%2Fonly/logs/stream", "/runs/others%231/logs/stream": "/runs/nosuch%231/logs/stream",
		"/jobs?pipeline_id=others": "/jobs?pipeline_id=nosuch", "/executions?run_id=others%231": "/executions?run_id=nosuch%231",
		"/executions?pipeline_id=others": "/executions?pipeline_id=nosuch", "/events?pipeline_id=others": "/events?pipeline_id=nosuch",
	} {
		a, first := s.as(text, "GET", there, "")
		b, second := s.as(text, "GET", missing, "")
		require.Equal(t, b, a, there)
		require.Contains(t, []int{400, 404}, a, there)
		for _, body := range []object{first, second} {
			delete(body, "request_id")
			delete(body, "timestamp")
		}
		require.Equal(t, strings.ReplaceAll(fmt.Sprint(second), "nosuch", "others"), fmt.Sprint(first), there)
	}
	for _, query := range []string{"job_id=" + others["job"], "pipeline_id=" + others["pipeline"], "run_id=" + others["run"], "retry_of=" + others["execution"]} {
		status, list := s.as(text, "GET", "/executions?"+query, "")
		require.Equal(t, 200, status)
		require.Empty(t, list["items"], query)
	}
	call := `{"jobs":{"start":{"pipeline":{"slug":"others"}}}}`
	status, got := s.as(text, "PUT", "/pipelines/mine", call)
	require.Equal(t, 403, status, got)
	status, got = s.as(text, "POST", "/jobs", `{"pipeline_id":"mine","key":"start","pipeline":{"slug":"others"}}`)
	require.Equal(t, 403, status, got)
	status, got = s.as(text, "PUT", "/pipelines/another", `{"jobs":{"a":{"command":"true"}}}`)
	require.Equal(t, 404, status, got)
	status, got = s.as(s.admin, "PUT", "/pipelines/mine", call)
	require.Equal(t, 200, status, got)
	_, run := s.as(text, "POST", "/pipelines/mine/execute", "")
	require.Equal(t, "RUNNING", run["status"], "what the definition starts needs no right of who starts the run: %v", run)

	status, _ = s.as(s.admin, "DELETE", "/schedules/"+mine["schedule"], "")
	require.Equal(t, 204, status)
	status, made := s.as(s.admin, "POST", "/tokens", `{"name":"x","role":"viewer","pipelines":["nosuch"]}`)
	require.Equal(t, 400, status, made)
}

// TestEventsOfALimitedToken follows the events while both pipelines have some.
func TestEventsOfALimitedToken(t *testing.T) {
	t.Parallel()
	s := upWithAuth(t)
	mine, others := s.pipelineWith("mine"), s.pipelineWith("others")
	_, text := s.token(hodei.Viewer, `,"pipelines":["mine"]`)
	cookie := s.signIn(text)
	req, err := http.NewRequestWithContext(t.Context(), "GET", s.orchestrator+"/events?follow=true", nil)
	require.NoError(t, err)
	req.Header.Set("Cookie", cookie.Name+"="+cookie.Value)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	require.True(t, lines.Scan(), "the stream has begun")
	for _, job := range []string{others["job"], mine["job"]} {
		status, got := s.as(s.admin, "POST", "/jobs/"+job+"/execute", "")
		require.Contains(t, []int{200, 202}, status, got)
	}
	for seen := false; !seen; {
		require.True(t, lines.Scan(), "the stream ended: %v", lines.Err())
		require.NotContains(t, lines.Text(), others["pipeline"])
		require.NotContains(t, lines.Text(), "event: worker")
		seen = strings.Contains(lines.Text(), mine["job"]) && strings.Contains(lines.Text(), `"COMPLETED"`)
	}
}

// TestViewersExplain: what changes nothing needs no more than the role viewer, and leaves no
// record in the audit log.
func TestViewersExplain(t *testing.T) {
	t.Parallel()
	s := upWithAuth(t)
	mine := s.pipelineWith("mine")
	const changes = "/audit?outcome=OK&operation=scheduler.schedule,pipelines.apply"
	_, before := s.as(s.admin, "GET", changes, "")
	_, viewer := s.token(hodei.Viewer, "")
	for _, ask := range []string{"/schedule?dry_run=true", "/schedule"} {
		body := `{"dry_run":true,"job_config":{}}`
		if strings.Contains(ask, "?") {
			body = `{"job_config":{}}`
		}
		status, got := s.as(viewer, "POST", ask, body)
		require.Equal(t, 200, status, got)
		require.NotEmpty(t, got["candidates"])
	}
	status, got := s.as(viewer, "PUT", "/pipelines/mine?dry_run=true", `{"jobs":{"other":{"command":"true"}}}`)
	require.Equal(t, 200, status, got)
	require.NotEmpty(t, got["changes"])
	for _, body := range []string{`{"execution_id":"` + mine["execution"] + `"}`, `{"execution_id":"` + mine["execution"] + `","dry_run":false}`, `{}`} {
		status, got = s.as(viewer, "POST", "/schedule", body)
		require.Equal(t, 403, status, got)
		require.Contains(t, got["message"], "developer")
	}
	status, _ = s.as(viewer, "PUT", "/pipelines/mine", `{"jobs":{"other":{"command":"true"}}}`)
	require.Equal(t, 403, status)
	_, after := s.as(s.admin, "GET", changes, "")
	require.Equal(t, before["items"], after["items"])
}
