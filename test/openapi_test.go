package test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
)

// unreached are the documented answers that a healthy system does not give,
// with the reason.
var unreached = map[string]string{
	"401":                  "only with --auth",
	"403":                  "only with --auth, or from another origin, as the tests of these ask",
	"429":                  "only beyond --rate-per-token and --rate-per-address, which are off here, as edge's tests ask",
	"500":                  "a fault of ours: edge's tests have one",
	"503":                  "something is away: the tests of faults and edge's",
	"504":                  "something hangs: internal/rpc's tests",
	"POST /session 201":    "only with --auth, which TestSessions has",
	"POST /session 429":    "only with --auth, as TestUnknownTokensAreSlowedDown asks",
	"POST /hooks/{id} 429": "only for an address that goes on, as TestDeliveriesThatAreRefused asks",
	"POST /schedule 429":   "only for an execution that no scheduler has in its queue yet: services/scheduler's tests",
}

// walker makes the requests of the document to a running system, and validates
// each answer against the document.
type walker struct {
	t       *testing.T
	base    string
	doc     object
	schemas *jsonschema.Compiler
	ops     map[string]operation // by operationId
	seen    map[string]bool      // such as "POST /jobs 201"
	// delivery is the {delivery_id} of paths.
	delivery string
	upload   string // the {upload_id}
}

type operation struct {
	method, path string
	at           string // its JSON pointer in the document
	entry        object
}

func (o operation) answer(status string) string {
	return o.method + " " + strings.TrimPrefix(o.path, "/api/v1") + " " + status
}

func newWalker(t *testing.T, base string) *walker {
	_, raw, _ := request(t, "GET", base+"/openapi.json", "", nil)
	w := &walker{delivery: nowhere, upload: nowhere, t: t, base: base, doc: decode(t, raw), schemas: jsonschema.NewCompiler(), ops: map[string]operation{}, seen: map[string]bool{}}
	w.schemas.DefaultDraft(jsonschema.Draft2020)
	w.schemas.AssertFormat()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	require.NoError(t, err)
	require.NoError(t, w.schemas.AddResource("urn:openapi", doc))
	for path, item := range w.doc["paths"].(object) {
		for method, entry := range item.(object) {
			at := "/paths/" + strings.NewReplacer("/", "~1", "{", "%7B", "}", "%7D").Replace(path) + "/" + method
			id := entry.(object)["operationId"].(string)
			w.ops[id] = operation{strings.ToUpper(method), path, at, entry.(object)}
		}
	}
	return w
}

// ask makes a request and validates its answer, which must have the status.
// query contains the id in the path first, if there is one, and then the query.
func (w *walker) ask(status int, id, record, query, body string, header ...string) object {
	w.t.Helper()
	op, ok := w.ops[id]
	require.True(w.t, ok, "no operation %s", id)
	head := http.Header{}
	for i := 0; i < len(header); i += 2 {
		head[header[i]] = []string{header[i+1]}
	}
	url := w.base + strings.NewReplacer("{id}", record, "{name}", record, "{key}", "gate", "{delivery_id}", w.delivery, "{upload_id}", w.upload).Replace(op.path)
	if query != "" {
		url += "?" + query
	}
	got, raw, answered := request(w.t, op.method, url, body, head)
	require.Equal(w.t, status, got, "%s %s: %s", op.method, url, raw)
	w.check(op, status, raw, answered)
	var out object
	_ = json.Unmarshal(raw, &out) // a stream is not JSON
	return out
}

// check validates an answer against the document.
func (w *walker) check(op operation, status int, raw []byte, head http.Header) {
	w.t.Helper()
	code := strconv.Itoa(status)
	at := op.at + "/responses/" + code
	response, ok := op.entry["responses"].(object)[code].(object)
	require.True(w.t, ok, "%s is not in the document", op.answer(code))
	if ref, ok := response["$ref"].(string); ok {
		at = strings.TrimPrefix(ref, "#")
		response = w.doc["components"].(object)["responses"].(object)[ref[strings.LastIndex(ref, "/")+1:]].(object)
	}
	w.seen[op.answer(code)] = true
	for name := range response["headers"].(object) {
		require.NotEmpty(w.t, head.Get(name), "%s: header %s", op.answer(code), name)
	}
	content, _ := response["content"].(object)
	if content == nil {
		require.Empty(w.t, raw, op.answer(code))
		return
	}
	media, _, err := mime.ParseMediaType(head.Get("Content-Type"))
	require.NoError(w.t, err, op.answer(code))
	require.Contains(w.t, content, media, "%s: not a documented media type", op.answer(code))
	at += "/content/" + strings.ReplaceAll(media, "/", "~1") + "/schema"
	switch media {
	case "application/json":
		w.valid(at, raw, op.answer(code))
	case "text/event-stream":
		w.events(at, raw, op.answer(code))
	}
}

// valid validates a body against a schema of the document, in which objects
// allow no unknown fields, so that every field is documented.
func (w *walker) valid(at string, raw []byte, what string) {
	w.t.Helper()
	schema, err := w.schemas.Compile("urn:openapi#" + at)
	require.NoError(w.t, err, what)
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	require.NoError(w.t, err, "%s: %s", what, raw)
	require.NoError(w.t, schema.Validate(value), "%s: %s", what, raw)
}

// events validates the data of each frame against the schema of its event.
func (w *walker) events(at string, raw []byte, what string) {
	w.t.Helper()
	kinds := map[string]int{}
	for frame := range strings.SplitSeq(strings.TrimSpace(string(raw)), "\n\n") {
		kind, data := "message", ""
		for line := range strings.SplitSeq(frame, "\n") {
			switch name, value, _ := strings.Cut(line, ": "); name {
			case "event":
				kind = value
			case "data":
				data = value
			}
		}
		if data != "" {
			w.valid(at+"/x-events/"+kind, []byte(data), what)
			kinds[kind]++
		}
	}
	require.Equal(w.t, 1, kinds["done"], "%s: %s", what, raw)
}

// done fails for every documented answer that did not occur.
func (w *walker) done() {
	w.t.Helper()
	for _, op := range w.ops {
		for status := range op.entry["responses"].(object) {
			if what := op.answer(status); !w.seen[what] && unreached[status] == "" && unreached[what] == "" {
				w.t.Errorf("documented, and never answered: %s", what)
			}
		}
	}
	for what := range unreached {
		require.False(w.t, w.seen[what], "%s is answered: take it out of unreached", what)
	}
}

// TestOpenAPI walks every operation of the document through every possible
// status.
func TestOpenAPI(t *testing.T) {
	t.Parallel()
	s := up(t, "--worker-type", "rust", "--worker-capacity", "20")
	w := newWalker(t, s.orchestrator)
	w.mistakes()
	w.system()
	w.access(s)
	w.pipelines()
	w.runs(s)
	w.executions(s)
	w.scheduling(s)
	w.secrets(s)
	w.artifacts(s)
	w.sources(s)
	w.schedules(s)
	w.notifications(s)
	w.hooks()
	w.workers()
	w.done()
}

func (w *walker) hooks() {
	p := w.ask(201, "createPipeline", "", "", `{"name":"hooked"}`)["id"].(string)
	w.ask(201, "createJob", "", "", `{"pipeline_id":"`+p+`","command":"true"}`)
	w.ask(200, "setSecret", "HOOK", "", `{"value":"hunter2hunter2"}`)
	w.ask(404, "createHook", "", "", `{"pipeline_id":"`+nowhere+`","kind":"gitlab","secret":"HOOK"}`)
	w.ask(400, "createHook", "", "", `{"pipeline_id":"`+p+`","kind":"generic","secret":"HOOK","tags":["*"]}`)
	w.ask(400, "createHook", "", "", `{"pipeline_id":"`+p+`","kind":"github","secret":"HOOK","definition":"repository"}`)
	id := w.twice(201, "createHook", "", `{"pipeline_id":"`+p+`","kind":"gitlab","secret":"HOOK","forks":"approve"}`,
		`{"pipeline_id":"`+p+`","kind":"gitlab","secret":"HOOK"}`)["id"].(string)
	w.ask(200, "listHooks", "", "pipeline_id="+p, "")
	w.ask(200, "getHook", id, "", "")
	const push, commit = `{"object_kind":"push","ref":"refs/heads/main","after":"` + commitHash + `"}`, `"last_commit":{"id":"` + commitHash + `"}`
	fork := `{"object_kind":"merge_request","object_attributes":{"iid":7,"action":"open","source_project_id":1,"target_project_id":2,"target_branch":"main",` + commit + `}}`
	key := []string{"X-Gitlab-Token", "hunter2hunter2"}
	w.ask(202, "receiveHook", id, "", push, key...)
	require.Eventually(w.t, func() bool {
		return w.ask(200, "listDeliveries", id, "", "")["items"].([]any)[0].(object)["status"] == "STARTED"
	}, time.Minute, 5*time.Millisecond)
	w.ask(201, "receiveHook", id, "", push, key...)
	w.ask(200, "receiveHook", id, "", `{"object_kind":"note"}`, key...)
	w.ask(401, "receiveHook", id, "", push, "X-Gitlab-Token", "guessed")
	w.delivery = w.ask(202, "receiveHook", id, "", fork, key...)["id"].(string)
	require.Len(w.t, w.ask(200, "listDeliveries", id, "", "")["items"], 3)
	again := []string{"Idempotency-Key", "walk redeliver"}
	first := w.ask(201, "redeliver", id, "", "", again...)
	require.Equal(w.t, first, w.ask(201, "redeliver", id, "", "", again...), "the first answer again")
	w.ask(200, "approveDelivery", id, "", "")
	w.ask(409, "approveDelivery", id, "", "")
	w.ask(409, "rejectDelivery", id, "", "")
	w.delivery = first["id"].(string)
	w.ask(409, "redeliver", id, "", "", again...)
	w.ask(200, "rejectDelivery", id, "", "")
	w.ask(409, "rejectDelivery", id, "", "")
	w.delivery = nowhere
	w.ask(404, "approveDelivery", id, "", "")
	w.ask(404, "rejectDelivery", id, "", "")
	w.ask(204, "deleteHook", id, "", "")
}

const commitHash = "6113728f27ae82c7b1a177c8d03f9e96e0adf246"

func (w *walker) secrets(s *system) {
	body := `{"value":"hunter2hunter2"}`
	w.ask(400, "setSecret", "WALK", "", `{"value":"short"}`)
	w.ask(404, "setSecret", "WALK", "", `{"value":"hunter2hunter2","pipeline_id":"nowhere"}`)
	w.ask(200, "setSecret", "WALK", "", body)
	w.ask(200, "listSecrets", "", "", "")
	w.ask(404, "listSecrets", "", "pipeline_id=nowhere", "")
	w.ask(200, "rotateSecrets", "", "", "")
	x := s.job(`{"command":"echo $WALK","secrets":["WALK"]}`)
	x = w.ask(200, "executeJob", x, "", `{"wait_seconds":30}`)["execution_id"].(string)
	s.ended(x)
	require.Equal(w.t, object{"WALK": 1.0}, w.ask(200, "getExecution", x, "", "")["secret_versions"])
	w.ask(204, "deleteSecret", "WALK", "", "")
	w.ask(404, "deleteSecret", "WALK", "", "")
}

func (w *walker) schedules(s *system) {
	job := s.job(`{"command":"true"}`)
	w.ask(404, "createSchedule", "", "", `{"pipeline_id":"`+nowhere+`","cron":"0 3 * * *"}`)
	body := `{"job_id":"` + job + `","cron":"0 3 * * *","timezone":"Europe/Madrid"}`
	id := w.twice(201, "createSchedule", "", body, `{"job_id":"`+job+`","every_seconds":60}`)["id"].(string)
	w.ask(200, "listSchedules", "", "job_id="+job, "")
	w.ask(200, "getSchedule", id, "", "")
	w.ask(200, "updateSchedule", id, "", `{"cron":"@daily","jitter_seconds":1}`)
	w.ask(200, "nextFires", id, "n=2", "")
	for _, act := range []string{"pauseSchedule", "resumeSchedule"} {
		w.ask(200, act, id, "", "")
	}
	w.ask(200, "pauseSchedules", "", "", "")
	w.ask(200, "resumeSchedules", "", "", "")
	other := w.ask(201, "createSchedule", "", "", body)["id"].(string)
	key := []string{"Idempotency-Key", "walk trigger"}
	fired := w.ask(201, "triggerSchedule", id, "", "", key...)
	require.Equal(w.t, fired, w.ask(201, "triggerSchedule", id, "", "", key...), "the first answer again")
	w.ask(409, "triggerSchedule", other, "", "", key...)
	from := func(hours time.Duration) string {
		return fmt.Sprintf(`{"from":%q}`, time.Now().UTC().Add(-hours*time.Hour).Format(time.RFC3339))
	}
	w.twice(201, "backfillSchedule", id, from(25), from(49))
	w.ask(200, "listFires", id, "", "")
	w.ask(204, "deleteSchedule", id, "", "")
}

func (w *walker) notifications(s *system) {
	definition := func(address string) string {
		return `{"notify":[{"webhook":"` + address + `"}],"jobs":{"a":{"command":"true"}}}`
	}
	status, made := call(w.t, "PUT", s.orchestrator+"/pipelines/quiet", `{"jobs":{"a":{"command":"true"}}}`)
	require.Equal(w.t, 201, status, made)
	w.ask(409, "testNotifications", "quiet", "", "")
	w.ask(404, "testNotifications", nowhere, "", "")
	status, made = call(w.t, "PUT", s.orchestrator+"/pipelines/loud", definition("http://10.0.0.1/x"))
	require.Equal(w.t, 201, status, made)
	tried := w.ask(202, "testNotifications", "loud", "", "")["items"].([]any)[0].(object)
	id := tried["id"].(string)
	w.ask(200, "getNotification", id, "", "")
	w.ask(200, "listNotifications", "", "pipeline_id=loud", "")
	w.ask(202, "redeliverNotification", id, "", "")
}

// mistakes are the errors that every operation answers alike.
func (w *walker) mistakes() {
	for id, op := range w.ops {
		if !strings.HasPrefix(op.path, "/api/") {
			continue
		}
		w.ask(400, id, nowhere, "nonsense=1", "")
		if strings.Contains(op.path, "{id}") && op.method != "PUT" { // which creates what is not there
			w.ask(404, id, nowhere, "", required[id])
		}
		if op.method == "POST" || op.method == "PATCH" || op.method == "PUT" {
			w.ask(415, id, nowhere, "", "x", "Content-Type", "text/plain")
			w.ask(413, id, nowhere, "", `{"x":"`+strings.Repeat("x", 1<<20)+`"}`)
		}
	}
	status, raw, head := request(w.t, "PUT", w.base+"/api/v1/pipelines", "", nil)
	require.Equal(w.t, 405, status)
	require.Equal(w.t, "GET, POST", head.Get("Allow"))
	w.valid("/components/responses/MethodNotAllowed/content/application~1json/schema", raw, "405")
	_, raw, _ = request(w.t, "GET", w.base+"/nothing", "", nil)
	w.valid("/components/responses/NotFound/content/application~1json/schema", raw, "404")
}

func (w *walker) system() {
	for _, id := range []string{"getHealth", "getReadiness", "getMetrics", "getOpenAPI", "getDocs"} {
		w.ask(200, id, "", "", "")
	}
	w.ask(200, "getStats", "", "", "")
	w.ask(200, "followEvents", "", "follow=false", "")
}

func (w *walker) access(s *system) {
	w.joining(s.joined())
	made := w.ask(201, "createToken", "", "", `{"name":"ci","role":"viewer"}`)
	w.ask(200, "listTokens", "", "limit=1", "")
	w.ask(204, "deleteToken", made["id"].(string), "", "")
	w.ask(200, "whoAmI", "", "", "")
	w.ask(200, "listAudit", "", "limit=1", "")
	w.ask(200, "createSession", "", "", `{"token":"`+made["token"].(string)+`"}`)
	w.ask(204, "deleteSession", "", "", "")
}

// twice makes a request twice with one key, then another request with it.
func (w *walker) twice(status int, id, record, body, other string) object {
	w.t.Helper()
	key := []string{"Idempotency-Key", "walk " + id}
	first := w.ask(status, id, record, "", body, key...)
	require.Equal(w.t, first, w.ask(status, id, record, "", body, key...), "the first answer again")
	w.ask(409, id, record, "", other, key...)
	return first
}

func (w *walker) pipelines() {
	p := w.twice(201, "createPipeline", "", good, `{"name":"other"}`)["id"].(string)
	w.ask(200, "getPipeline", p, "", "")
	w.ask(200, "updatePipeline", p, "", `{"name":"renamed","description":"x"}`)
	w.ask(404, "createJob", "", "", `{"pipeline_id":"`+nowhere+`"}`)
	body := `{"pipeline_id":"` + p + `","command":["true"],"type":"none","environment":{"A":"b"},"retries":{"max":1},
		"requirements":{"capacity":2,"labels":{"a":"b"}},"timeout_seconds":5,"working_dir":"/","name":"j"}`
	j := w.twice(201, "createJob", "", body, `{"pipeline_id":"`+p+`"}`)["id"].(string)
	w.ask(200, "getJob", j, "", "")
	w.ask(200, "updateJob", j, "", `{"priority":9,"command":"echo hi","environment":{},"description":null,"retries":null}`)
	x := w.ask(202, "executeJob", j, "", `{"wait_seconds":0}`)["execution_id"].(string)
	w.ask(200, "getQueue", "", "", "")
	w.ask(409, "deleteJob", j, "", "")
	w.ask(409, "deletePipeline", p, "", "")
	w.ask(202, "cancelExecution", x, "", "")
	w.ask(200, "listPipelines", "", "limit=1", "")
	w.ask(200, "listJobs", "", "pipeline_id="+p, "")
	w.ask(429, "executeJob", j, "", `{"wait_seconds":0,"if_no_worker":"reject"}`)
	w.ask(204, "deleteJob", j, "", "")
	w.ask(204, "deletePipeline", p, "", "")
}

// runs applies a pipeline, and executes it to each of its ends.
func (w *walker) runs(s *system) {
	yaml := []string{"Content-Type", "application/yaml"}
	const definition = `
slug: walk
params: { env: { enum: [staging, prod], default: staging } }
concurrency: { key: walk, on_conflict: reject }
jobs:
  gate: { command: "true", approval: { message: "Go?" } }
`
	p := w.ask(201, "applyPipeline", "walk", "", definition, yaml...)["pipeline"].(object)["id"].(string)
	w.ask(200, "applyPipeline", "walk", "dry_run=true", definition, yaml...)
	w.ask(400, "applyPipeline", "walk", "", definition+"  oops: { needs: [nothing] }", yaml...)
	w.ask(200, "getDefinition", p, "", "")
	other := w.ask(201, "createPipeline", "", "", good)["id"].(string)
	w.ask(409, "updatePipeline", other, "", `{"slug":"walk"}`)

	blocked := func(run string) {
		eventually(w.t, "the job waits for approval", time.Minute, func() bool {
			job := w.ask(200, "getRun", run, "", "")["jobs"].([]any)[0].(object)
			return job["status"] == "BLOCKED"
		})
	}
	run := w.twice(201, "executePipeline", "walk", `{"params":{"env":"prod"}}`, `{}`)["id"].(string)
	blocked(run)
	w.ask(429, "executePipeline", "walk", "", "")
	w.ask(409, "rerunRun", run, "", "")
	w.ask(200, "rejectRun", run, "", `{"comment":"not today"}`)
	w.ask(409, "rejectRun", run, "", "")
	w.ask(409, "approveRun", run, "", "")
	s.runEnded(w.t, run)
	w.ask(409, "cancelRun", run, "", "")
	w.ask(200, "followRun", run, "tail=1", "")
	run = w.ask(201, "rerunRun", run, "", `{"jobs":"failed"}`)["id"].(string)
	blocked(run)
	w.ask(429, "rerunRun", w.ask(200, "listRuns", "", "status=failed", "")["items"].([]any)[0].(object)["id"].(string), "", "")
	w.ask(200, "approveRun", run, "", "")
	s.runEnded(w.t, run)
	run = w.ask(201, "executePipeline", "walk", "", "")["id"].(string)
	w.ask(202, "cancelRun", run, "", "")
	s.runEnded(w.t, run)
	w.ask(204, "deletePipeline", other, "", "")
}

// runEnded waits until the run has ended.
func (s *system) runEnded(t *testing.T, id string) {
	t.Helper()
	eventually(t, "the run ends", time.Minute, func() bool {
		_, run := call(t, "GET", s.orchestrator+"/runs/"+id, "")
		return run["completed_at"] != nil
	})
}

func (w *walker) executions(s *system) {
	j := s.job(`{"command":"echo out; echo err >&2; exit 3"}`)
	x := w.twice(200, "executeJob", j, `{"wait_seconds":30}`, `{}`)["execution_id"].(string)
	require.Equal(w.t, "FAILED", s.ended(x)["status"])
	w.ask(200, "getExecution", x, "", "")
	w.ask(200, "getJob", j, "", "")
	w.ask(409, "cancelExecution", x, "", "")
	w.ask(200, "followLogs", x, "", "")
	w.ask(200, "followLogs", x, "follow=true&timestamps=false&tail=1", "", "Last-Event-ID", "1")
	w.ask(200, "getLogs", x, "", "")
	w.ask(200, "getLogs", x, "", "", "Accept", "text/plain")
	w.ask(200, "getLogs", x, "limit=1", "", "Accept", "application/json")
	w.ask(200, "getLogs", x, "timestamps=false", "", "Accept", "application/json")
	w.ask(201, "retryExecution", x, "", "", "Idempotency-Key", "walk retry")
	w.ask(409, "retryExecution", nowhere, "", "", "Idempotency-Key", "walk retry")
	w.ask(200, "listExecutions", "", "job_id="+j, "")
	w.twice(201, "execute", "", `{"command":"true"}`, `{"command":"false"}`)
}

func (w *walker) scheduling(s *system) {
	x := w.ask(201, "execute", "", "", `{"command":"sleep 60","type":"java"}`)["id"].(string)
	named := fmt.Sprintf(`{"execution_id":%q}`, x)
	w.ask(202, "schedule", "", "", named)
	w.ask(200, "schedule", "", "dry_run=true", named)
	w.ask(200, "schedule", "", "dry_run=true", `{"job_config":{"type":"rust"}}`)
	w.ask(404, "schedule", "", "", `{"execution_id":"`+nowhere+`"}`)
	w.ask(404, "assignExecution", "", "", `{"execution_id":"`+nowhere+`"}`)
	w.ask(429, "assignExecution", "", "", named)
	w.ask(200, "assignExecution", "", "", `{"execution_id":"`+x+`","worker_requirements":{"type":"rust"}}`)
	w.ask(409, "assignExecution", "", "", `{"execution_id":"`+x+`","worker_requirements":{"type":"rust"}}`)
	w.ask(409, "schedule", "", "", named)
	w.ask(409, "retryExecution", x, "", "")
	w.ask(409, "deleteExecution", x, "", "")
	w.ask(202, "cancelExecution", x, "", "")
	s.ended(x)
	w.ask(204, "deleteExecution", x, "", "")
}

func (w *walker) workers() {
	items := w.ask(200, "listWorkers", "", "type=rust", "")["items"].([]any)
	rust := items[0].(object)["id"].(string)
	w.ask(200, "getWorker", rust, "", "")
	j := w.ask(201, "execute", "", "", `{"command":"echo begun; sleep 60","type":"rust"}`)["id"].(string)
	eventually(w.t, "the worker has something to finish", time.Minute, func() bool { // RUNNING is recorded before the worker accepts
		return w.ask(200, "getExecution", j, "", "")["log_count"] == 1.0
	})
	w.ask(202, "cordonWorker", rust, "", "")
	w.ask(202, "uncordonWorker", rust, "", "")
	w.ask(202, "drainWorker", rust, "", `{"deadline_seconds":60}`)
	w.ask(202, "resumeWorker", rust, "", "")
	w.ask(202, "terminateWorker", rust, "", "")

	idle := w.twice(201, "registerWorker", "", `{"type":"go","capacity":1,"labels":{"a":"b"}}`, `{"type":"go","capacity":2}`)
	absent := idle["id"].(string) // a record without a process
	w.ask(409, "drainWorker", absent, "", "")
	w.ask(409, "resumeWorker", absent, "", "")
	w.ask(409, "deleteWorker", absent, "", "")
	w.ask(202, "terminateWorker", absent, "", "")
	w.ask(202, "terminateWorker", absent, "", "")
	w.ask(409, "cordonWorker", absent, "", "")
	w.ask(409, "uncordonWorker", absent, "", "")
	w.ask(204, "deleteWorker", absent, "", "")
}
