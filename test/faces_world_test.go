package test

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/stretchr/testify/require"
)

func (w world) create(path, body string) string {
	status, made := call(w.s.t, "POST", w.s.orchestrator+path, body)
	require.Less(w.s.t, status, 300, made)
	if id, ok := made["execution_id"].(string); ok {
		return id
	}
	return made["id"].(string)
}

func (w world) newPipeline() string { return w.create("/pipelines", `{"name":"x"}`) }

// applied makes sure that a pipeline with a definition is there.
func (w world) applied() {
	status, made := call(w.s.t, "PUT", w.s.orchestrator+"/pipelines/applied", `{"jobs":{"a":{"command":"true","timeout":"5m"}}}`)
	require.Less(w.s.t, status, 300, made)
}

func (w world) newJob() string { return w.create("/jobs", `{"pipeline_id":"`+w.pipeline+`"}`) }
func (w world) registered() string {
	return w.create("/workers/register", `{"type":"none","capacity":1}`)
}

func (w world) secret() {
	status, made := call(w.s.t, "PUT", w.s.orchestrator+"/secrets/DELETED", `{"value":"hunter2hunter2"}`)
	require.Equal(w.s.t, 200, status, made)
}

// waiting creates an execution that no worker can run.
func (w world) waiting() string {
	return w.create("/execute", `{"command":"true","type":"nobody"}`)
}

func (w world) newSchedule() string {
	return w.create("/schedules", `{"pipeline_id":"`+w.pipeline+`","cron":"0 3 * * *"}`)
}

// newHook creates a hook with its secret.
func (w world) newHook() string {
	status, made := call(w.s.t, "PUT", w.s.orchestrator+"/secrets/FACES_HOOK", `{"value":"hunter2hunter2"}`)
	require.Equal(w.s.t, 200, status, made)
	return w.create("/hooks", `{"pipeline_id":"`+w.pipeline+`","kind":"gitlab","secret":"FACES_HOOK","forks":"approve"}`)
}

// delivered creates a hook that has started a run.
func (w world) delivered() (hook, delivery string) {
	return w.deliver(`{"object_kind":"push","ref":"refs/heads/main","after":"6113728f27ae82c7b1a177c8d03f9e96e0adf246"}`, 202)
}

// blockedDelivery creates a hook that has received a pull request from a fork.
func (w world) blockedDelivery() (hook, delivery string) {
	return w.deliver(`{"object_kind":"merge_request","object_attributes":{"iid":7,"action":"open","source_project_id":1,"target_project_id":2,
		"target_branch":"main","last_commit":{"id":"6113728f27ae82c7b1a177c8d03f9e96e0adf246"}}}`, 202)
}

// deliver sends an event to a new hook and waits until the hook has decided about it.
func (w world) deliver(body string, want int) (hook, delivery string) {
	hook = w.newHook()
	status, raw, _ := request(w.s.t, "POST", w.s.orchestrator+"/hooks/"+hook, body, http.Header{"X-Gitlab-Token": {"hunter2hunter2"}})
	require.Equal(w.s.t, want, status, string(raw))
	var d struct{ ID string }
	require.NoError(w.s.t, json.Unmarshal(raw, &d))
	eventually(w.s.t, "the event is decided about", time.Minute, func() bool {
		_, list := call(w.s.t, "GET", w.s.orchestrator+"/hooks/"+hook+"/deliveries?status=PENDING", "")
		return len(list["items"].([]any)) == 0
	})
	return hook, d.ID
}

// firedSchedule creates a schedule that was triggered.
func (w world) firedSchedule() string {
	id := w.newSchedule()
	status, fire := call(w.s.t, "POST", w.s.orchestrator+"/schedules/"+id+"/trigger", "")
	require.Equal(w.s.t, 201, status, fire)
	return id
}

// notification tries a target that is not allowed, and waits for the outcome.
func (w world) notification() string {
	status, made := call(w.s.t, "PUT", w.s.orchestrator+"/pipelines/notifying",
		`{"notify":[{"webhook":"http://10.0.0.1/x"}],"jobs":{"a":{"command":"true"}}}`)
	require.Less(w.s.t, status, 300, made)
	status, tried := call(w.s.t, "POST", w.s.orchestrator+"/pipelines/notifying/notify", "")
	require.Equal(w.s.t, 202, status, tried)
	id := tried["items"].([]any)[0].(object)["id"].(string)
	require.Eventually(w.s.t, func() bool {
		_, n := call(w.s.t, "GET", w.s.orchestrator+"/notifications/"+id, "")
		return n["status"] == "FAILED"
	}, time.Minute, 5*time.Millisecond)
	return id
}

// artifact runs a pipeline with an artifact on a worker of the type.
func (w world) artifact(kind string) (id, run string) {
	status, made := call(w.s.t, "PUT", w.s.orchestrator+"/pipelines/filed",
		`{"jobs":{"a":{"type":"`+kind+`","command":"echo x > f && touch -t 202601010000 f","artifacts":[{"name":"f","paths":["f"],"keep":"1h"}]}}}`)
	require.Less(w.s.t, status, 300, made)
	run = w.create("/pipelines/filed/execute", "")
	eventually(w.s.t, "the artifact is there", time.Minute, func() bool {
		_, list := call(w.s.t, "GET", w.s.orchestrator+"/runs/"+run+"/artifacts", "")
		for _, item := range list["items"].([]any) {
			id = item.(object)["id"].(string)
		}
		return id != ""
	})
	return id, run
}

// cache runs a pipeline of its own whose job saves a cache, on a worker of the type.
func (w world) cache(kind string) (id, pipeline string) {
	pipeline = w.newPipeline()
	w.create("/jobs", `{"pipeline_id":"`+pipeline+`","key":"a","type":"`+kind+`","command":"echo x > f && touch -t 202601010000 f","caches":[{"key":"k","paths":["f"]}]}`)
	w.create("/pipelines/"+pipeline+"/execute", "")
	eventually(w.s.t, "the cache is there", time.Minute, func() bool {
		_, list := call(w.s.t, "GET", w.s.orchestrator+"/pipelines/"+pipeline+"/caches", "")
		for _, item := range list["items"].([]any) {
			id = item.(object)["id"].(string)
		}
		return id != ""
	})
	return id, pipeline
}

// cancelled creates an execution that has ended.
func (w world) cancelled() string {
	id := w.waiting()
	status, e := call(w.s.t, "POST", w.s.orchestrator+"/executions/"+id+"/cancel", "")
	require.Equal(w.s.t, 202, status, e)
	return id
}

// endedRun creates a run that ends at once, because its one job has no command.
func (w world) endedRun() string {
	pipeline := w.newPipeline()
	w.create("/jobs", `{"pipeline_id":"`+pipeline+`","key":"nothing"}`)
	return w.create("/pipelines/"+pipeline+"/execute", "")
}

// blockedRun creates a run whose one job, "gate", waits for an approval.
func (w world) blockedRun() string {
	pipeline := w.newPipeline()
	w.create("/jobs", `{"pipeline_id":"`+pipeline+`","key":"gate","approval":{"message":"go on?"}}`)
	return w.create("/pipelines/"+pipeline+"/execute", "")
}

// terminated creates a worker that has left.
func (w world) terminated() string {
	id := w.registered()
	status, left := call(w.s.t, "POST", w.s.orchestrator+"/workers/"+id+"/terminate", "")
	require.Equal(w.s.t, 202, status, left)
	return id
}
