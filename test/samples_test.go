package test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// has checks that all fields of a sample exist.
func has(t testing.TB, got object, fields string) {
	t.Helper()
	for _, name := range strings.Fields(fields) {
		_, ok := got[name]
		require.True(t, ok, "%s is missing in %v", name, got)
	}
}

// TestSamples replays every flow and sample of the API document over REST, with
// and without the canonical prefix.
func TestSamples(t *testing.T) {
	t.Parallel()
	s := up(t, "--worker-type", "rust", "--worker-capacity", "5")
	for _, prefix := range []string{"/api/v1", ""} {
		t.Run("prefix "+prefix, func(t *testing.T) {
			orch, sched, wm := s.orchestrator+prefix, s.scheduler+prefix, s.workerManager+prefix

			status, p := call(t, "POST", orch+"/pipelines", `{"name":"My CI/CD Pipeline","description":"Build and test application"}`)
			require.Equal(t, 201, status)
			has(t, p, "id name description status created_at updated_at job_count last_execution")
			require.Regexp(t, `^pipe_[0-9a-f-]{36}$`, p["id"])
			require.Equal(t, "CREATED", p["status"])
			require.Equal(t, 0.0, p["job_count"])
			require.Nil(t, p["last_execution"])

			status, j := call(t, "POST", orch+"/jobs", `{"pipeline_id":"`+p["id"].(string)+`","name":"Build Job",
				"description":"Compile application","type":"rust","command":"echo hello; echo oops >&2","environment":{"RUST_VERSION":"1.75.0"}}`)
			require.Equal(t, 201, status, j)
			has(t, j, "id pipeline_id name description status priority created_at scheduled_at started_at completed_at execution")
			require.Equal(t, "PENDING", j["status"])
			require.Equal(t, 5.0, j["priority"])
			require.Nil(t, j["execution"])

			status, x := call(t, "POST", orch+"/jobs/"+j["id"].(string)+"/execute", "")
			require.Equal(t, 200, status, x)
			has(t, x, "execution_id job_id status worker_id worker_type command environment started_at estimated_completion")
			require.Equal(t, "RUNNING", x["status"])
			require.Equal(t, "rust", x["worker_type"])
			require.NotNil(t, x["started_at"])
			id := x["execution_id"].(string)

			e := s.ended(id)
			has(t, e, "id job_id pipeline_id status worker_id command exit_code started_at completed_at duration_seconds logs_available log_count")
			require.Equal(t, "COMPLETED", e["status"])
			require.Equal(t, 0.0, e["exit_code"])
			require.Equal(t, 2.0, e["log_count"])
			require.Equal(t, true, e["logs_available"])

			lines, end := s.lines(id, "")
			require.ElementsMatch(t, []string{"hello", "oops"}, lines)
			has(t, end.data, "execution_id status exit_code log_count")
			for ev := range s.stream(wm+"/executions/"+id+"/logs", "") { // SSE by default
				if ev.kind == "" {
					has(t, ev.data, "timestamp stream line sequence")
				}
			}

			_, p = call(t, "GET", orch+"/pipelines/"+p["id"].(string), "")
			require.Equal(t, "ACTIVE", p["status"])
			require.Equal(t, 1.0, p["job_count"])
			has(t, p["last_execution"].(object), "id status started_at completed_at")
			_, j = call(t, "GET", orch+"/jobs/"+j["id"].(string), "")
			require.Equal(t, "COMPLETED", j["status"])

			status, adhoc := call(t, "POST", wm+"/execute", `{"command":"echo 'Hello World'"}`)
			require.Equal(t, 201, status)
			has(t, adhoc, "id command status created_at estimated_duration stream logs_available")
			require.Equal(t, "PENDING", adhoc["status"])
			lines, _ = s.lines(adhoc["id"].(string), "follow=true")
			require.Equal(t, []string{"Hello World"}, lines)

			status, w := call(t, "POST", wm+"/workers/register", `{"type":"go","capacity":5}`)
			require.Equal(t, 201, status)
			require.Regexp(t, `^worker_`, w["id"])
			require.Equal(t, "AVAILABLE", w["status"])
			require.Equal(t, 5.0, w["capacity"])
			_, list := call(t, "GET", wm+"/workers?type=rust", "")
			require.Len(t, list["items"], 1)
			has(t, list["items"].([]any)[0].(object), `id name type labels status capacity total_capacity running registered_at
				last_seen_at ack_latency_seconds success_rate version`)

			testAssignByHand(t, s, orch, sched, wm, p["id"].(string))
		})
	}
}

// testAssignByHand assigns a waiting execution with /schedule (dry run), /queue
// and /assign-job.
func testAssignByHand(t *testing.T, s *system, orch, sched, wm, pipeline string) {
	_, j := call(t, "POST", orch+"/jobs", `{"pipeline_id":"`+pipeline+`","command":["echo","java"],"type":"java"}`)
	status, x := call(t, "POST", orch+"/jobs/"+j["id"].(string)+"/execute", `{"wait_seconds":0}`)
	require.Equal(t, 202, status)
	require.Equal(t, "PENDING", x["status"])
	require.Equal(t, 1.0, x["queue_position"])
	require.Contains(t, x["reason"], "no worker of type java")
	id := x["execution_id"].(string)

	status, d := call(t, "POST", sched+"/schedule?dry_run=true", `{"execution_id":"`+id+`"}`)
	require.Equal(t, 200, status)
	require.Nil(t, d["worker_id"])
	require.Equal(t, "other type", d["candidates"].([]any)[0].(object)["excluded"])
	_, q := call(t, "GET", sched+"/queue", "")
	require.Equal(t, id, q["items"].([]any)[0].(object)["execution_id"])

	status, a := call(t, "POST", wm+"/assign-job", `{"execution_id":"`+id+`","worker_requirements":{"type":"rust"}}`)
	require.Equal(t, 200, status, a)
	require.Equal(t, "ASSIGNED", a["status"])
	require.Regexp(t, `^worker_`, a["worker_id"])
	require.Equal(t, "COMPLETED", s.ended(id)["status"])

	status, refused := call(t, "POST", orch+"/jobs/"+j["id"].(string)+"/execute", `{"wait_seconds":0,"if_no_worker":"reject"}`)
	require.Equal(t, 429, status)
	require.Equal(t, "REJECTED", refused["error"])
	_, q = call(t, "GET", sched+"/queue", "")
	require.Empty(t, q["items"])
}

// TestSamplesOverNATS runs the main flow with plain requests.
func TestSamplesOverNATS(t *testing.T) {
	t.Parallel()
	s := up(t)
	nc := connect(t, s.nats)
	_, p := ask(t, nc, "hodei.v1.pipelines.create", `{"name":"demo"}`)
	_, j := ask(t, nc, "hodei.v1.jobs.create", `{"pipeline_id":"`+p["id"].(string)+`","command":"echo over nats"}`)
	_, x := ask(t, nc, "hodei.v1.jobs.execute", `{"id":"`+j["id"].(string)+`"}`)
	require.Equal(t, "RUNNING", x["status"])
	id := x["execution_id"].(string)
	require.Equal(t, "COMPLETED", s.ended(id)["status"])
	_, logs := ask(t, nc, "hodei.v1.logs.get", `{"id":"`+id+`"}`)
	require.Equal(t, "over nats", logs["items"].([]any)[0].(object)["line"])
	_, bare := ask(t, nc, "hodei.v1.executions.get", `{"id":"`+strings.TrimPrefix(id, "exec_")+`"}`)
	require.Equal(t, id, bare["id"], "ids are taken without their prefix")

	reply, failed := ask(t, nc, "hodei.v1.jobs.create", `{"pipeline_id":"nonsense"}`)
	require.Equal(t, "400", reply.Header.Get("Nats-Service-Error-Code"))
	require.Equal(t, "VALIDATION_ERROR", failed["error"])
	require.Equal(t, object{"field": "pipeline_id", "issue": "UUID format required"}, failed["details"])

	names := map[string]bool{}
	inbox := nc.NewRespInbox()
	sub, err := nc.SubscribeSync(inbox)
	require.NoError(t, err)
	require.NoError(t, nc.PublishRequest("$SRV.PING", inbox, nil))
	eventually(t, "all services answer a ping", time.Minute, func() bool {
		if msg, err := sub.NextMsg(1e9); err == nil {
			var pong object
			require.NoError(t, json.Unmarshal(msg.Data, &pong))
			names[pong["name"].(string)] = true
		}
		return names["orchestrator"] && names["scheduler"] && names["worker-manager"] && names["worker"] && names["edge"]
	})
}
