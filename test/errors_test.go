package test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	nowhere = "00000000-0000-7000-8000-000000000000"
	good    = `{"name":"p"}`
)

// TestErrors checks the documented body of each kind of error over HTTP.
func TestErrors(t *testing.T) {
	t.Parallel()
	s := up(t, "--workers", "0")
	_, p := call(t, "POST", s.orchestrator+"/pipelines", good)
	pipeline := p["id"].(string)
	jobWith := func(rest string) string { return `{"pipeline_id":"` + pipeline + `"` + rest + `}` }
	_, j := call(t, "POST", s.orchestrator+"/jobs", jobWith(""))
	_, q := call(t, "POST", s.orchestrator+"/jobs", jobWith(`,"command":"true"`))

	for _, c := range []struct {
		name, method, path, body string
		status                   int
		code, field, issue       string
	}{
		{"malformed JSON", "POST", "/pipelines", `{"name":`, 400, "VALIDATION_ERROR", "body", ""},
		{"not an object", "POST", "/pipelines", `[1]`, 400, "VALIDATION_ERROR", "body", ""},
		{"trailing data", "POST", "/pipelines", `{"name":"x"} y`, 400, "VALIDATION_ERROR", "body", ""},
		{"empty body", "POST", "/pipelines", ``, 400, "VALIDATION_ERROR", "name", "required"},
		{"missing field", "POST", "/pipelines", `{}`, 400, "VALIDATION_ERROR", "name", "required"},
		{"blank", "POST", "/pipelines", `{"name":"   "}`, 400, "VALIDATION_ERROR", "name", "must not be blank"},
		{"too long", "POST", "/pipelines", `{"name":"` + strings.Repeat("x", 201) + `"}`, 400, "VALIDATION_ERROR", "name", ""},
		{"unknown field", "POST", "/pipelines", `{"name":"x","nmae":"y"}`, 400, "VALIDATION_ERROR", "nmae", "unknown field"},
		{"a typo", "POST", "/pipelines", `{"nmae":"y"}`, 400, "VALIDATION_ERROR", "nmae", "unknown field"},
		{"wrong type", "POST", "/pipelines", `{"name":7}`, 400, "VALIDATION_ERROR", "name", "string required, got number"},
		{"NUL", "POST", "/pipelines", `{"name":"a\u0000b"}`, 400, "VALIDATION_ERROR", "name", ""},
		{"id in a body", "POST", "/jobs", `{"pipeline_id":"pipe_x"}`, 400, "VALIDATION_ERROR", "pipeline_id", "UUID format required"},
		{"foreign prefix in a body", "POST", "/jobs", `{"pipeline_id":"job_` + nowhere + `"}`, 400, "VALIDATION_ERROR", "pipeline_id", "UUID format required"},
		{"pipeline not there", "POST", "/jobs", `{"pipeline_id":"pipe_` + nowhere + `"}`, 404, "NOT_FOUND", "", ""},
		{"priority", "POST", "/jobs", jobWith(`,"priority":11`), 400, "VALIDATION_ERROR", "priority", ""},
		{"fraction", "POST", "/jobs", jobWith(`,"priority":1.5`), 400, "VALIDATION_ERROR", "priority", ""},
		{"command type", "POST", "/jobs", jobWith(`,"command":7`), 400, "VALIDATION_ERROR", "command", "string or array required"},
		{"environment name", "POST", "/jobs", jobWith(`,"environment":{"1A":"x"}`), 400, "VALIDATION_ERROR", "environment.1A", ""},
		{"environment value", "POST", "/jobs", jobWith(`,"environment":{"A":1}`), 400, "VALIDATION_ERROR", "environment.A", "string required, got number"},
		{"nested unknown", "POST", "/jobs", jobWith(`,"requirements":{"cpus":1}`), 400, "VALIDATION_ERROR", "requirements.cpus", "unknown field"},
		{"types disagree", "POST", "/jobs", jobWith(`,"type":"a","requirements":{"type":"b"}`), 400, "VALIDATION_ERROR", "requirements.type", ""},
		{"relative directory", "POST", "/jobs", jobWith(`,"working_dir":"x"`), 400, "VALIDATION_ERROR", "working_dir", ""},
		{"no command anywhere", "POST", "/jobs/" + j["id"].(string) + "/execute", ``, 400, "VALIDATION_ERROR", "command", ""},
		{"path parameter in the body", "POST", "/jobs/" + j["id"].(string) + "/execute", `{"id":"x"}`, 400, "VALIDATION_ERROR", "id", ""},
		{"if_no_worker", "POST", "/jobs/" + q["id"].(string) + "/execute", `{"if_no_worker":"panic"}`, 400, "VALIDATION_ERROR", "if_no_worker", "one of queue, reject required"},
		{"no worker", "POST", "/jobs/" + q["id"].(string) + "/execute", `{"if_no_worker":"reject","wait_seconds":0}`, 429, "REJECTED", "", ""},
		{"bad id in a path", "GET", "/pipelines/pipe_invalid", ``, 404, "NOT_FOUND", "", ""},
		{"foreign id in a path", "GET", "/executions/job_" + nowhere, ``, 404, "NOT_FOUND", "", ""},
		{"not there", "GET", "/jobs/job_" + nowhere, ``, 404, "NOT_FOUND", "", ""},
		{"bad id in a query", "GET", "/executions?job_id=x", ``, 400, "VALIDATION_ERROR", "job_id", "UUID format required"},
		{"bad status", "GET", "/jobs?status=DONE", ``, 400, "VALIDATION_ERROR", "status", ""},
		{"limit", "GET", "/jobs?limit=0", ``, 400, "VALIDATION_ERROR", "limit", ""},
		{"limit not a number", "GET", "/jobs?limit=x", ``, 400, "VALIDATION_ERROR", "limit", "integer required, got string"},
		{"cursor", "GET", "/jobs?cursor=x", ``, 400, "VALIDATION_ERROR", "cursor", ""},
		{"unknown query", "GET", "/jobs?limmit=1", ``, 400, "VALIDATION_ERROR", "limmit", ""},
		{"log options", "GET", "/executions/exec_" + nowhere + "/logs/stream?tail=x", ``, 400, "VALIDATION_ERROR", "tail", ""},
		{"log not there", "GET", "/executions/exec_" + nowhere + "/logs/stream", ``, 404, "NOT_FOUND", "", ""},
		{"no route", "GET", "/nothing", ``, 404, "NOT_FOUND", "", ""},
		{"wrong method", "PUT", "/pipelines", good, 405, "METHOD_NOT_ALLOWED", "", ""},
		{"too large", "POST", "/pipelines", `{"name":"` + strings.Repeat("x", 1<<20) + `"}`, 413, "PAYLOAD_TOO_LARGE", "", ""},
		{"execute nothing", "POST", "/execute", `{}`, 400, "VALIDATION_ERROR", "command", "required"},
		{"capacity", "POST", "/workers/register", `{"type":"x","capacity":0}`, 400, "VALIDATION_ERROR", "capacity", ""},
		{"cancel nothing", "POST", "/executions/exec_" + nowhere + "/cancel", ``, 404, "NOT_FOUND", "", ""},
		{"schedule nothing", "POST", "/schedule", `{}`, 400, "VALIDATION_ERROR", "execution_id", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, raw, header := request(t, c.method, s.orchestrator+"/api/v1"+c.path, c.body, http.Header{"X-Request-Id": {"req_of-mine"}})
			require.Equal(t, c.status, status, string(raw))
			require.Equal(t, "req_of-mine", header.Get("X-Request-Id"))
			var got object
			require.NoError(t, json.Unmarshal(raw, &got))
			require.Equal(t, c.code, got["error"])
			require.NotEmpty(t, got["message"])
			require.Equal(t, "req_of-mine", got["request_id"])
			require.Regexp(t, `^20\d\d-.*Z$`, got["timestamp"])
			if c.field != "" {
				require.Equal(t, c.field, got["details"].(object)["field"], string(raw))
			}
			if c.issue != "" {
				require.Equal(t, c.issue, got["details"].(object)["issue"])
			}
		})
	}
	t.Run("the sample of a 404", func(t *testing.T) {
		_, got := call(t, "GET", s.orchestrator+"/pipelines/pipe_invalid", "")
		require.Equal(t, "Pipeline not found", got["message"])
		require.Equal(t, "pipeline", got["resource"])
		require.Equal(t, "pipe_invalid", got["resource_id"])
	})
	t.Run("media type", func(t *testing.T) {
		status, raw, header := request(t, "POST", s.orchestrator+"/pipelines", good, http.Header{"Content-Type": {"text/plain"}})
		require.Equal(t, 415, status)
		require.Contains(t, string(raw), "application/json")
		require.Regexp(t, `^req_`, header.Get("X-Request-Id"), "one is made when none is given")
	})
	t.Run("allow", func(t *testing.T) {
		_, _, header := request(t, "DELETE", s.orchestrator+"/queue", "", nil)
		require.Equal(t, "GET", header.Get("Allow"))
	})
}

// TestPorts: every port serves every route.
func TestPorts(t *testing.T) {
	t.Parallel()
	s := up(t, "--workers", "0")
	for _, path := range []string{"/api/v1/pipelines", "/queue", "/workers", "/healthz", "/readyz", "/openapi.json"} {
		for i, base := range []string{s.orchestrator, s.scheduler, s.workerManager} {
			status, _, _ := request(t, "GET", base+path, "", nil)
			require.Equal(t, 200, status, "%s of port %d", path, i)
		}
	}
}
