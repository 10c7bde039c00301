package test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestChangeAndDelete changes and deletes pipelines and jobs.
func TestChangeAndDelete(t *testing.T) {
	t.Parallel()
	s := up(t)
	base := s.orchestrator + "/api/v1"
	_, p := call(t, "POST", base+"/pipelines", `{"name":"p","description":"d"}`)
	pipeline := base + "/pipelines/" + p["id"].(string)
	status, p := call(t, "PATCH", pipeline, `{"name":"q"}`)
	require.Equal(t, 200, status, p)
	require.Equal(t, "q", p["name"])
	require.Equal(t, "d", p["description"], "what is left out stays")
	_, p = call(t, "PATCH", pipeline, `{"description":null}`)
	require.Nil(t, p["description"])
	status, _ = call(t, "PATCH", pipeline, `{"name":null}`)
	require.Equal(t, 400, status)

	_, j := call(t, "POST", base+"/jobs", `{"pipeline_id":"`+p["id"].(string)+`","command":"echo one","type":"shell","timeout_seconds":5}`)
	job := base + "/jobs/" + j["id"].(string)
	status, j = call(t, "PATCH", job, `{"command":["echo","two"],"priority":7,"timeout_seconds":null,"type":null}`)
	require.Equal(t, 200, status, j)
	require.Equal(t, []any{"echo", "two"}, j["command"])
	require.Nil(t, j["timeout_seconds"])
	require.Nil(t, j["type"])
	require.Equal(t, 7.0, j["priority"])
	_, x := call(t, "POST", job+"/execute", "")
	id := x["execution_id"].(string)
	s.ended(id)
	lines, _ := s.lines(id, "")
	require.Equal(t, []string{"two"}, lines)

	_, x = call(t, "POST", job+"/execute", `{"command":"sleep 1000"}`)
	live := x["execution_id"].(string)
	for _, url := range []string{job, pipeline} {
		status, e := call(t, "DELETE", url, "")
		require.Equal(t, 409, status)
		require.Equal(t, "CONFLICT", e["error"])
	}
	status, e := call(t, "POST", base+"/executions/"+live+"/retry", "")
	require.Equal(t, 409, status, e)
	call(t, "POST", base+"/executions/"+live+"/cancel", "")
	require.Equal(t, "CANCELLED", s.ended(live)["status"])

	status, again := call(t, "POST", base+"/executions/"+id+"/retry", "")
	require.Equal(t, 201, status, again)
	require.Equal(t, id, again["retry_of"])
	require.Equal(t, 2.0, again["attempt"])
	again = s.ended(again["id"].(string))
	require.Equal(t, "COMPLETED", again["status"])
	require.Equal(t, j["id"], again["job_id"])

	status, raw, _ := request(t, "DELETE", pipeline, "", nil)
	require.Equal(t, 204, status)
	require.Empty(t, raw)
	for _, url := range []string{pipeline, job, base + "/executions/" + id} {
		status, _ := call(t, "GET", url, "")
		require.Equal(t, 404, status)
	}
}

// TestLists: filters, and pages that new rows do not shift.
func TestLists(t *testing.T) {
	t.Parallel()
	s := up(t)
	base := s.orchestrator + "/api/v1"
	_, p := call(t, "POST", base+"/pipelines", `{"name":"p"}`)
	_, j := call(t, "POST", base+"/jobs", `{"pipeline_id":"`+p["id"].(string)+`","command":"exit 1"}`)
	var ids []string
	for range 5 {
		_, x := call(t, "POST", base+"/jobs/"+j["id"].(string)+"/execute", "")
		ids = append([]string{x["execution_id"].(string)}, ids...)
	}
	s.ended(s.execute("true"))
	for _, id := range ids {
		s.ended(id)
	}
	var seen []string
	url := base + "/executions?status=FAILED&limit=2&job_id=" + j["id"].(string)
	for cursor := ""; ; {
		_, page := call(t, "GET", url+cursor, "")
		for _, e := range page["items"].([]any) {
			seen = append(seen, e.(object)["id"].(string))
		}
		if page["next_cursor"] == nil {
			break
		}
		cursor = "&cursor=" + page["next_cursor"].(string)
		_, x := call(t, "POST", base+"/jobs/"+j["id"].(string)+"/execute", "")
		s.ended(x["execution_id"].(string))
	}
	require.Equal(t, ids, seen)
	_, jobs := call(t, "GET", base+"/jobs?status=FAILED&pipeline_id="+p["id"].(string), "")
	require.Len(t, jobs["items"], 1)
	_, none := call(t, "GET", base+"/jobs?status=COMPLETED", "")
	require.Empty(t, none["items"])
}

// TestIdempotencyKey: over HTTP the same key and body return the first answer,
// and nothing is created twice.
func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	s := up(t)
	base := s.orchestrator + "/api/v1"
	post := func(path, body, key string) (int, object) {
		status, raw, _ := request(t, "POST", base+path, body, http.Header{"Idempotency-Key": {key}})
		return status, decode(t, raw)
	}
	_, p := post("/pipelines", `{"name":"p"}`, "k1")
	status, again := post("/pipelines", `{"name":"p"}`, "k1")
	require.Equal(t, 201, status)
	require.Equal(t, p, again)
	status, e := post("/pipelines", `{"name":"other"}`, "k1")
	require.Equal(t, 409, status)
	require.Equal(t, "CONFLICT", e["error"])
	_, j := post("/jobs", `{"pipeline_id":"`+p["id"].(string)+`","command":"true","type":"none"}`, "k1")
	for range 3 {
		status, x := post("/jobs/"+j["id"].(string)+"/execute", `{"wait_seconds":0}`, "k2")
		require.Equal(t, 202, status, "the status is the first one's too")
		require.Equal(t, "PENDING", x["status"])
	}
	for range 3 {
		status, _ = post("/execute", `{"command":"true"}`, "k3")
		require.Equal(t, 201, status)
	}
	_, all := call(t, "GET", base+"/executions", "")
	require.Len(t, all["items"], 2)
	status, e = post("/pipelines", `{"name":"x"}`, "tab\there")
	require.Equal(t, 400, status)
	require.Equal(t, "Idempotency-Key", e["details"].(object)["field"])
}
