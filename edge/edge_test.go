package edge_test

import (
	"context"
	"encoding/json"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/edge"
	"github.com/hodei-jobs/hodei/internal/local/localtest"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
)

// Every error has the documented body with field, time and request id.
func TestRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	job, exec := w.job.String(), w.exec.String()
	huge := `{"name":"` + strings.Repeat("x", 1<<20) + `"}`
	for name, c := range map[string]struct {
		method, path, body string
		headers            []string
		code               hodei.Code
		field              string
	}{
		"unknown route":         {"GET", "/nothing", "", nil, hodei.NotFound, ""},
		"wrong method":          {"PUT", "/pipelines", "", nil, hodei.MethodNotAllowed, ""},
		"wrong method, prefix":  {"DELETE", "/api/v1/queue", "", nil, hodei.MethodNotAllowed, ""},
		"too large":             {"POST", "/pipelines", huge, nil, hodei.TooLarge, ""},
		"not JSON":              {"POST", "/pipelines", `name=x`, []string{"Content-Type: application/x-www-form-urlencoded"}, hodei.UnsupportedMedia, ""},
		"no type":               {"POST", "/pipelines", `{}`, []string{"Content-Type: "}, hodei.Invalid, "name"},
		"malformed":             {"POST", "/pipelines", `{"name":`, nil, hodei.Invalid, "body"},
		"malformed, merged":     {"POST", "/jobs/" + job + "/execute", `{"command":`, nil, hodei.Invalid, "body"},
		"trailing, merged":      {"POST", "/jobs/" + job + "/execute", `{} {}`, nil, hodei.Invalid, "body"},
		"array, merged":         {"POST", "/jobs/" + job + "/execute", `[]`, nil, hodei.Invalid, "body"},
		"null, merged":          {"POST", "/jobs/" + job + "/execute", `null`, nil, hodei.Invalid, "body"},
		"id in path and body":   {"POST", "/jobs/" + job + "/execute", `{"id":"` + job + `"}`, nil, hodei.Invalid, "id"},
		"unknown field":         {"POST", "/pipelines", `{"name":"x","nmae":"y"}`, nil, hodei.Invalid, "nmae"},
		"blank name":            {"POST", "/pipelines", `{"name":" "}`, nil, hodei.Invalid, "name"},
		"missing name":          {"POST", "/pipelines", ``, nil, hodei.Invalid, "name"},
		"unknown query":         {"GET", "/pipelines?limt=3", "", nil, hodei.Invalid, "limt"},
		"query twice":           {"GET", "/pipelines?limit=3&limit=4", "", nil, hodei.Invalid, "limit"},
		"query malformed":       {"GET", "/pipelines?limit=%zz", "", nil, hodei.Invalid, "query"},
		"query not a number":    {"GET", "/pipelines?limit=many", "", nil, hodei.Invalid, "limit"},
		"query out of range":    {"GET", "/pipelines?limit=1001", "", nil, hodei.Invalid, "limit"},
		"query not a boolean":   {"POST", "/schedule?dry_run=perhaps", `{}`, nil, hodei.Invalid, "dry_run"},
		"query and body":        {"POST", "/schedule?dry_run=true", `{"dry_run":true}`, nil, hodei.Invalid, "dry_run"},
		"malformed id in path":  {"GET", "/pipelines/pipe_invalid", "", nil, hodei.NotFound, ""},
		"escaped id in path":    {"GET", "/pipelines/a%2Fb%25", "", nil, hodei.NotFound, ""},
		"foreign id in path":    {"GET", "/pipelines/" + job, "", nil, hodei.NotFound, ""},
		"unknown id":            {"GET", "/pipelines/pipe_00000000-0000-7000-8000-000000000000", "", nil, hodei.NotFound, ""},
		"panic in the service":  {"POST", "/pipelines", `{"name":"panic"}`, nil, hodei.Internal, ""},
		"rejected":              {"POST", "/jobs/" + job + "/execute", `{"if_no_worker":"reject"}`, nil, hodei.Rejected, ""},
		"service unavailable":   {"GET", "/workers", "", nil, hodei.Unavailable, ""},
		"unknown log":           {"GET", "/executions/exec_00000000-0000-7000-8000-000000000000/logs/stream", "", nil, hodei.NotFound, ""},
		"malformed log id":      {"GET", "/executions/nope/logs", "", nil, hodei.NotFound, ""},
		"log tail":              {"GET", "/executions/" + exec + "/logs/stream?tail=-1", "", nil, hodei.Invalid, "tail"},
		"log stream":            {"GET", "/executions/" + exec + "/logs/stream?stream=both", "", nil, hodei.Invalid, "stream"},
		"log follow":            {"GET", "/executions/" + exec + "/logs/stream?follow=maybe", "", nil, hodei.Invalid, "follow"},
		"log timestamps":        {"GET", "/executions/" + exec + "/logs/stream?timestamps=x", "", nil, hodei.Invalid, "timestamps"},
		"log since":             {"GET", "/executions/" + exec + "/logs/stream?since=yesterday", "", nil, hodei.Invalid, "since"},
		"log option unknown":    {"GET", "/executions/" + exec + "/logs/stream?lines=3", "", nil, hodei.Invalid, "lines"},
		"log limit of a stream": {"GET", "/executions/" + exec + "/logs/stream?limit=3", "", nil, hodei.Invalid, "limit"},
		"log resume":            {"GET", "/executions/" + exec + "/logs/stream", "", []string{"Last-Event-ID: x"}, hodei.Invalid, "Last-Event-ID"},
	} {
		t.Run(name, func(t *testing.T) {
			resp := do(t, c.method, w.url(c.path), c.body, append(c.headers, "X-Request-Id: mine-1")...)
			body := text(t, resp)
			var failure hodei.Error
			require.NoError(t, json.Unmarshal([]byte(body), &failure), body)
			require.Equal(t, c.code, failure.Code, body)
			require.Equal(t, c.code.Status(), resp.StatusCode)
			require.Equal(t, "application/json", resp.Header.Get("Content-Type"))
			require.Equal(t, "mine-1", failure.RequestID)
			require.Equal(t, "mine-1", resp.Header.Get("X-Request-Id"))
			require.WithinDuration(t, time.Now(), failure.Timestamp, time.Minute)
			require.NotEmpty(t, failure.Message)
			require.NotContains(t, body, "secret")
			if c.field != "" {
				require.NotNil(t, failure.Details, body)
				require.Equal(t, c.field, failure.Details.Field)
			}
			if c.code == hodei.Unavailable {
				require.Equal(t, "1", resp.Header.Get("Retry-After"))
			}
			if c.code == hodei.NotFound {
				require.NotEmpty(t, failure.Resource)
			}
		})
	}
}

// An id obtained on one port works on the others.
func TestEveryPortServesEveryRoute(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i, addr := range w.edge.Addrs() {
		for _, op := range schemas.Operations {
			if op.Method == "" {
				continue
			}
			// No route allows OPTIONS, so the router lists the methods that
			// exist.
			resp := do(t, "OPTIONS", "http://"+addr+strings.ReplaceAll(op.Path, "{id}", w.exec.String()), "")
			require.Contains(t, resp.Header.Get("Allow"), op.Method, "port %d: %s", i, op.Path)
		}
		require.Equal(t, 200, do(t, "GET", "http://"+addr+"/pipelines/"+w.pipeline.String(), "").StatusCode)
		require.Equal(t, 200, do(t, "GET", "http://"+addr+"/ui", "").StatusCode)
	}
}

func TestAllowHeader(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	resp := do(t, "PATCH", w.url("/api/v1/pipelines"), "")
	require.Equal(t, 405, resp.StatusCode)
	require.Equal(t, "GET, POST", resp.Header.Get("Allow"))
}

// Path, query and body make one request. The reply is the service's.
func TestRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pipeline, _ := json.Marshal(hodei.Pipeline{ID: w.pipeline, Name: "demo"})
	for name, c := range map[string]struct {
		method, path, body string
		status             int
		want               string // the body or a part of it
	}{
		"created":           {"POST", "/api/v1/pipelines", `{"name":"demo"}`, 201, string(pipeline)},
		"words of a number": {"GET", "/executions/" + w.exec.String() + "/logs/stream?tail=x", "", 400, `"issue":"integer or \"all\" required"`},
		"without prefix":    {"GET", "/pipelines/" + w.pipeline.String(), "", 200, string(pipeline)},
		"id without pipe_":  {"GET", "/api/v1/pipelines/" + strings.TrimPrefix(w.pipeline.String(), "pipe_"), "", 200, string(pipeline)},
		"number":            {"GET", "/pipelines?limit=0002", "", 200, `"next_cursor":null`},
		"boolean":           {"POST", "/schedule?dry_run=true", `{}`, 200, `"dry_run":true`},
		"in the body":       {"POST", "/schedule", `{"dry_run":true}`, 200, `"dry_run":true`},
		"chosen status":     {"POST", "/jobs/" + w.job.String() + "/execute", "", 202, `"status":"PENDING"`},
		"path and body":     {"POST", "/jobs/" + w.job.String() + "/execute", `{"environment":{"A":"b"}}`, 202, `"environment":{"A":"b"}`},
		"health":            {"GET", "/healthz", "", 200, `{"status":"ok"}`},
		"openapi":           {"GET", "/openapi.json", "", 200, string(schemas.OpenAPI)},
	} {
		t.Run(name, func(t *testing.T) {
			resp := do(t, c.method, w.url(c.path), c.body)
			body := text(t, resp)
			require.Equal(t, c.status, resp.StatusCode, body)
			require.Contains(t, body, c.want)
			require.Regexp(t, "^req_", resp.Header.Get("X-Request-Id"))
		})
	}
	resp := do(t, "POST", w.url("/pipelines"), `{"name":"demo"}`, "Content-Type: application/json; charset=utf-8", "X-Request-Id: not sane\t")
	require.Equal(t, 201, resp.StatusCode)
	require.Regexp(t, "^req_", resp.Header.Get("X-Request-Id"))
}

// Every port serves every route.
func TestPorts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	exec := w.exec.String()
	for path, served := range map[string]bool{
		"/pipelines": true, "/queue": true, "/executions/" + exec + "/logs": true, "/api/v1/executions/" + exec: true,
		"/api/v1/executions/x/logs/stream": true, "/readyz": true, "/openapi.json": true, "/api/v1/executions/" + exec + "/x": false,
	} {
		for i, addr := range w.edge.Addrs() {
			body := text(t, do(t, "GET", "http://"+addr+path, ""))
			require.Equal(t, served, !strings.Contains(body, `"resource":"route"`), "%s on port %d: %s", path, i, body)
		}
	}
}

func TestReadiness(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	resp := do(t, "GET", w.url("/readyz"), "")
	require.Equal(t, 200, resp.StatusCode)
	body := text(t, resp)
	for _, missing := range []string{"No artifacts is running", "No answer from artifacts in time"} { // on a busy machine
		body = strings.ReplaceAll(body, missing, "missing")
	}
	require.JSONEq(t, `{"status":"ok","checks":{"nats":"ok","orchestrator":"ok","scheduler":"ok","worker-manager":"ok","artifacts":"missing",
		"orchestrator.postgres":"ok","scheduler.postgres":"ok","worker-manager.postgres":"ok"}}`, body)
	w.mu.Lock()
	w.sick = true
	w.mu.Unlock()
	resp = do(t, "GET", w.url("/readyz"), "")
	require.Equal(t, 503, resp.StatusCode)
	require.Contains(t, text(t, resp), `"scheduler.postgres":"gone"`)
}

// TestReadinessDoesNotNeedArtifacts: the checks of the artifacts service are shown and cause no 503.
func TestReadinessDoesNotNeedArtifacts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	svc := rpc.New(rpc.Config{NATS: w.nc, Name: schemas.Artifacts, Log: localtest.Log(t)})
	rpc.Handle(svc, schemas.ArtifactsHealth, func(context.Context, schemas.Empty) (schemas.Health, error) {
		return schemas.Health{Checks: map[string]string{"postgres": "gone"}}, nil
	})
	run(t, svc.Run)
	<-svc.Ready()
	resp := do(t, "GET", w.url("/readyz"), "")
	require.Equal(t, 200, resp.StatusCode)
	body := text(t, resp)
	require.Contains(t, body, `"artifacts":"not ready"`)
	require.Contains(t, body, `"artifacts.postgres":"gone"`)
}

func TestReadinessWithoutNATS(t *testing.T) {
	t.Parallel()
	srv := localtest.NATS(t)
	e, _ := serve(t, localtest.Connect(t, srv), edge.Config{})
	srv.Shutdown()
	require.Eventually(t, func() bool {
		resp := do(t, "GET", "http://"+e.Addrs()[0]+"/readyz", "")
		return resp.StatusCode == 503 && text(t, resp) == `{"status":"unavailable","checks":{"nats":"RECONNECTING"}}`
	}, time.Minute, 10*time.Millisecond)
	resp := do(t, "GET", "http://"+e.Addrs()[0]+"/healthz", "")
	require.Equal(t, 200, resp.StatusCode)
	resp = do(t, "GET", "http://"+e.Addrs()[0]+"/pipelines", "")
	require.Equal(t, 503, resp.StatusCode)
}

func TestStopAnswersWhatIsInFlight(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e, stop := serve(t, w.nc, edge.Config{})
	status := make(chan int, 1)
	conn := browser(t)
	go func() {
		resp, err := conn.Post("http://"+e.Addrs()[0]+"/pipelines", "application/json", strings.NewReader(`{"name":"slow"}`))
		if err != nil {
			status <- 0
			return
		}
		status <- resp.StatusCode
		_ = resp.Body.Close()
	}()
	<-w.entered
	stopped := make(chan struct{})
	go func() { stop(); close(stopped) }()
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", e.Addrs()[0])
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	}, time.Minute, time.Millisecond, "new connections are still taken")
	close(w.leave)
	require.Equal(t, 201, <-status)
	<-stopped
}

func TestTakenPort(t *testing.T) {
	t.Parallel()
	nc := localtest.Connect(t, localtest.NATS(t))
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	e := edge.New(edge.Config{NATS: nc, Scheduler: port})
	require.EqualError(t, e.Run(t.Context()), "port "+strconv.Itoa(port)+" on 127.0.0.1 is taken: choose others with --port-base")
	require.Equal(t, [3]string{}, e.Addrs(), "the other ports are given back")
}
