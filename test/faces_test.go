package test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/client"
	"github.com/hodei-jobs/hodei/schemas"
)

// face is one way to make a request. It returns the status and the body.
type face struct {
	name string
	ask  func(t *testing.T, op *schemas.Op, request object) (int, []byte)
}

// faces are REST, a plain NATS request, and the SDK over both.
func (s *system) faces(t *testing.T) []face {
	nc := connect(t, s.nats)
	sdk := func(c *client.Client) func(*testing.T, *schemas.Op, object) (int, []byte) {
		return func(t *testing.T, op *schemas.Op, request object) (int, []byte) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			typed := reflect.New(op.Request)
			body, err := json.Marshal(request)
			require.NoError(t, err)
			require.NoError(t, json.Unmarshal(body, typed.Interface()))
			raw, status, err := c.Raw(ctx, op, typed.Elem().Interface())
			var failed *hodei.Error
			if errors.As(err, &failed) {
				failure, err := hodei.JSON(failed)
				require.NoError(t, err)
				return failed.Code.Status(), failure
			}
			require.NoError(t, err)
			return status, raw
		}
	}
	return []face{
		{"REST", s.rest},
		{"nats req", func(t *testing.T, op *schemas.Op, request object) (int, []byte) {
			body, err := json.Marshal(request)
			require.NoError(t, err)
			reply, err := nc.Request(op.Subject, body, time.Minute)
			require.NoError(t, err)
			return natsStatus(t, op, reply), reply.Data
		}},
		{"SDK over HTTP", sdk(client.HTTP(s.orchestrator))},
		{"SDK over NATS", sdk(client.NATS(nc))},
	}
}

func natsStatus(t *testing.T, op *schemas.Op, reply *nats.Msg) int {
	t.Helper()
	status := op.Status
	for _, name := range []string{schemas.HeaderStatus, "Nats-Service-Error-Code"} {
		if text := reply.Header.Get(name); text != "" {
			_, err := fmt.Sscan(text, &status)
			require.NoError(t, err)
		}
	}
	return status
}

func (s *system) rest(t *testing.T, op *schemas.Op, fields object) (int, []byte) {
	path, query, body := op.Path, url.Values{}, object{}
	for name, value := range fields {
		body[name] = value
	}
	for _, f := range op.Fields() {
		value, given := fields[f.Name]
		delete(body, f.Name)
		switch {
		case f.In == "path":
			path = strings.ReplaceAll(path, "{"+f.Name+"}", url.PathEscape(fmt.Sprint(value)))
		case given:
			query.Set(f.Name, fmt.Sprint(value))
		}
	}
	text := ""
	if len(body) > 0 {
		encoded, err := json.Marshal(body)
		require.NoError(t, err)
		text = string(encoded)
	}
	status, raw, _ := request(t, op.Method, s.orchestrator+"/api/v1"+path+"?"+query.Encode(), text, http.Header{"Accept": {"application/json"}})
	return status, raw
}

// world contains the records that the requests refer to.
type world struct {
	s                            *system
	pipeline, job, ended, worker string
	born                         string // when all of these were created
}

// requests has a request for each operation with a route and a subject. A
// request that changes something creates its object first.
var requests = map[string]func(w world) object{
	"pipelines.create":  func(world) object { return object{"name": "p", "description": nil} },
	"pipelines.get":     func(w world) object { return object{"id": w.pipeline} },
	"pipelines.list":    func(world) object { return object{"limit": 1, "recent": 3} },
	"pipelines.update":  func(w world) object { return object{"id": w.pipeline, "description": "new"} },
	"pipelines.delete":  func(w world) object { return object{"id": w.newPipeline()} },
	"pipelines.execute": func(w world) object { return object{"id": w.pipeline, "environment": object{"A": "b"}} },
	"runs.get":          func(w world) object { return object{"id": w.endedRun()} },
	"runs.list":         func(w world) object { return object{"pipeline_id": w.pipeline, "limit": 1} },
	"runs.cancel":       func(w world) object { return object{"id": w.blockedRun()} },
	"runs.rerun":        func(w world) object { return object{"id": w.endedRun(), "jobs": "all"} },
	"runs.approve":      func(w world) object { return object{"id": w.blockedRun(), "key": "gate", "comment": "yes"} },
	"runs.reject":       func(w world) object { return object{"id": w.blockedRun(), "key": "gate"} },
	"schedules.create": func(w world) object {
		return object{"pipeline_id": w.pipeline, "cron": "0 3 * * 1-5", "timezone": "Europe/Madrid"}
	},
	"schedules.get":        func(w world) object { return object{"id": w.newSchedule()} },
	"schedules.list":       func(w world) object { w.newSchedule(); return object{"limit": 1} },
	"schedules.update":     func(w world) object { return object{"id": w.newSchedule(), "cron": "@hourly", "timezone": nil} },
	"schedules.delete":     func(w world) object { return object{"id": w.newSchedule()} },
	"schedules.pause":      func(w world) object { return object{"id": w.newSchedule()} },
	"schedules.resume":     func(w world) object { return object{"id": w.newSchedule()} },
	"schedules.pause_all":  func(w world) object { return object{"pipeline_id": w.newPipeline()} },
	"schedules.resume_all": func(w world) object { return object{"pipeline_id": w.newPipeline()} },
	"schedules.trigger":    func(w world) object { return object{"id": w.newSchedule()} },
	"schedules.backfill": func(w world) object {
		return object{"id": w.newSchedule(), "from": "2026-01-05T00:00:00Z", "to": "2026-01-06T00:00:00Z"}
	},
	"schedules.next":  func(w world) object { return object{"id": w.newSchedule(), "n": 3} },
	"schedules.fires": func(w world) object { return object{"id": w.firedSchedule(), "status": "STARTED", "limit": 1} },
	"hooks.create": func(w world) object {
		return object{"pipeline_id": w.pipeline, "kind": "github", "secret": "FACES_HOOK", "branches": []string{"main"}}
	},
	"sources.begin": func(w world) object { return object{"id": w.pipeline, "sha256": strings.Repeat("0", 64), "size": 3} },
	"sources.write": func(w world) object {
		id, _ := w.upload()
		return object{"id": w.pipeline, "upload_id": id, "data": []byte("abc")}
	},
	"sources.commit":    func(w world) object { return object{"id": w.pipeline, "upload_id": w.uploaded()} },
	"artifacts.list":    func(w world) object { _, run := w.artifact("shell"); return object{"id": run, "limit": 1} },
	"artifacts.reports": func(w world) object { return object{"id": w.pipeline} },
	"artifacts.get":     func(w world) object { id, _ := w.artifact("shell"); return object{"id": id} },
	"artifacts.delete":  func(w world) object { id, _ := w.artifact("shell"); return object{"id": id} },
	"caches.list":       func(w world) object { _, pipeline := w.cache("shell"); return object{"id": pipeline, "limit": 1} },
	"caches.delete":     func(w world) object { id, _ := w.cache("shell"); return object{"id": id} },
	"hooks.get":         func(w world) object { return object{"id": w.newHook()} },
	"hooks.list":        func(w world) object { w.newHook(); return object{"limit": 1} },
	"hooks.delete":      func(w world) object { return object{"id": w.newHook()} },
	"hooks.deliveries": func(w world) object {
		hook, _ := w.delivered()
		return object{"id": hook, "status": "STARTED", "limit": 1}
	},
	"hooks.redeliver": func(w world) object {
		hook, delivery := w.delivered()
		return object{"id": hook, "delivery_id": delivery}
	},
	"hooks.reject": func(w world) object {
		hook, delivery := w.blockedDelivery()
		return object{"id": hook, "delivery_id": delivery}
	},
	"hooks.approve": func(w world) object {
		hook, delivery := w.blockedDelivery()
		return object{"id": hook, "delivery_id": delivery}
	},
	"pipelines.apply": func(w world) object {
		w.applied()
		return object{"slug": "applied", "jobs": object{"a": object{"command": "true", "timeout": "5m"}}}
	},
	"pipelines.definition": func(w world) object { w.applied(); return object{"id": "applied"} },
	"jobs.create":          func(w world) object { return object{"pipeline_id": w.pipeline, "command": []string{"true"}} },
	"jobs.get":             func(w world) object { return object{"id": w.job} },
	"jobs.list":            func(w world) object { return object{"pipeline_id": w.pipeline, "limit": 1} },
	"jobs.update":          func(w world) object { return object{"id": w.job, "priority": 7} },
	"jobs.delete":          func(w world) object { return object{"id": w.newJob()} },
	"jobs.execute":         func(w world) object { return object{"id": w.job, "environment": object{"A": "b"}} },
	"executions.get":       func(w world) object { return object{"id": w.ended} },
	"executions.list": func(w world) object { // of others it is not known when they complete
		return object{"status": "COMPLETED", "limit": 1, "created_before": w.born}
	},
	"executions.cancel": func(w world) object { return object{"id": w.waiting()} },
	"stats.get":         func(world) object { return object{"window_seconds": 600} },
	"executions.retry":  func(w world) object { return object{"id": w.ended} },
	"executions.delete": func(w world) object { return object{"id": w.cancelled()} },
	"workers.delete":    func(w world) object { return object{"id": w.terminated()} },
	"scheduler.schedule": func(w world) object {
		return object{"dry_run": true, "job_config": object{"requirements": object{"capacity": 2}}}
	},
	"scheduler.queue":   func(world) object { return object{"limit": 1} },
	"execute":           func(world) object { return object{"command": "true"} },
	"workers.register":  func(world) object { return object{"type": "go", "capacity": 2} },
	"workers.get":       func(w world) object { return object{"id": w.worker} },
	"workers.list":      func(world) object { return object{"type": "shell"} },
	"workers.drain":     func(w world) object { return object{"id": w.worker, "deadline_seconds": 600} },
	"workers.cordon":    func(w world) object { return object{"id": w.registered()} },
	"workers.uncordon":  func(w world) object { return object{"id": w.registered()} },
	"workers.resume":    func(w world) object { return object{"id": w.worker} },
	"workers.terminate": func(w world) object { return object{"id": w.registered()} },
	"workers.assign":    func(w world) object { return object{"execution_id": w.waiting(), "worker_id": w.worker} },
	"tokens.create":     func(world) object { return object{"name": "faces", "role": "viewer"} },
	"tokens.list":       func(world) object { return object{} },
	"tokens.delete":     func(w world) object { return object{"id": w.create("/tokens", `{"name":"faces","role":"viewer"}`)} },
	"audit.list":        func(world) object { return object{"limit": 1} },
	"workers.keys":      func(world) object { return object{} },
	"workers.approve":   func(w world) object { return object{"id": w.s.joined()} },
	"workers.revoke":    func(w world) object { return object{"id": w.s.joined()} },
	"notifications.list": func(w world) object {
		w.notification()
		w.notification()
		return object{"pipeline_id": "notifying", "status": "FAILED", "limit": 1}
	},
	"notifications.get":       func(w world) object { return object{"id": w.notification()} },
	"notifications.redeliver": func(w world) object { return object{"id": w.notification()} },
	"notifications.test":      func(w world) object { w.notification(); return object{"id": "notifying"} },
	"secrets.set":             func(world) object { return object{"name": "FACES", "value": "hunter2hunter2"} },
	"secrets.list":            func(world) object { return object{} },
	"secrets.delete":          func(w world) object { w.secret(); return object{"name": "DELETED"} },
	"secrets.rotate":          func(world) object { return object{} },
	"logs.get":                func(w world) object { return object{"id": w.ended, "tail": 1, "timestamps": false} },
}

// TestFaces makes each request on each face and compares status and body: the
// same fields of the same types, and the same values except those that depend
// on the time.
func TestFaces(t *testing.T) {
	t.Parallel()
	s := up(t, "--worker-capacity", "64")
	w := world{s: s}
	w.pipeline = w.newPipeline()
	w.job = w.create("/jobs", `{"pipeline_id":"`+w.pipeline+`","command":"echo hello"}`)
	w.ended = w.create("/jobs/"+w.job+"/execute", "")
	require.Equal(t, "COMPLETED", s.ended(w.ended)["status"])
	w.born = time.Now().UTC().Format(time.RFC3339Nano)
	_, workers := call(t, "GET", s.orchestrator+"/workers", "")
	w.worker = workers["items"].([]any)[0].(object)["id"].(string)
	s.execute("sleep 600") // a drained worker without executions would leave at once
	eventually(t, "the worker is busy", time.Minute, func() bool {
		_, now := call(t, "GET", s.orchestrator+"/workers/"+w.worker, "")
		return now["status"] == "BUSY"
	})
	faces := s.faces(t)
	for _, op := range schemas.Operations {
		if op.Method == "" || op.Streams || op.Service == schemas.Edge { // the edge has no subject
			continue
		}
		t.Run(op.Name, func(t *testing.T) {
			make := requests[op.Name]
			require.NotNil(t, make, "give this operation a request")
			firstStatus, first := faces[0].ask(t, op, make(w))
			require.Less(t, firstStatus, 300, string(first))
			for _, f := range faces[1:] {
				status, body := f.ask(t, op, make(w))
				require.Equal(t, firstStatus, status, "%s: %s", f.name, body)
				if firstStatus == 204 {
					continue
				}
				require.Equal(t, shape(t, first), shape(t, body), f.name)
			}
			if op.Name == "workers.drain" { // so that the next requests find it running
				call(t, "POST", s.orchestrator+"/workers/"+w.worker+"/resume", "")
			}
		})
		t.Run(op.Name+" refused", func(t *testing.T) {
			bad := object{}
			for _, f := range op.Fields() {
				if f.In == "path" {
					bad[f.Name] = "nonsense"
				}
			}
			if len(bad) == 0 {
				bad["no_such_field"] = 1
			}
			var first object
			for _, f := range faces[:2] { // the SDK's types cannot express such requests
				status, body := f.ask(t, op, bad)
				require.Contains(t, []int{400, 404, 405}, status, "%s: %s", f.name, body)
				failure := decode(t, body)
				delete(failure, "timestamp")
				delete(failure, "request_id")
				if first == nil {
					first = failure
				} else if op.Method != "GET" || first["error"] == "NOT_FOUND" { // the edge refuses unknown query parameters
					require.Equal(t, first, failure)
				}
			}
		})
	}
	for name := range requests {
		require.True(t, slices.ContainsFunc(schemas.Operations, func(op *schemas.Op) bool { return op.Name == name }), "%s is no operation", name)
	}
}

// TestFacesOfTheCommandLine compares `-o json` with the body of the same
// request over REST.
func TestFacesOfTheCommandLine(t *testing.T) {
	t.Parallel()
	s := up(t)
	w := world{s: s}
	w.pipeline = w.newPipeline()
	w.job = w.create("/jobs", `{"pipeline_id":"`+w.pipeline+`","command":"echo hello"}`)
	w.ended = w.create("/jobs/"+w.job+"/execute", "")
	s.ended(w.ended)
	for args, path := range map[string]string{
		"pipeline ls":                     "/pipelines",
		"pipeline show " + w.pipeline:     "/pipelines/" + w.pipeline,
		"job ls":                          "/jobs",
		"job show " + w.job:               "/jobs/" + w.job,
		"execution ls":                    "/executions",
		"execution show " + w.ended:       "/executions/" + w.ended,
		"queue":                           "/queue",
		"execution ls --status FAILED":    "/executions?status=FAILED",
		"job ls --pipeline " + w.pipeline: "/jobs?pipeline_id=" + w.pipeline,
	} {
		for _, transport := range []string{"--server=" + s.orchestrator, "--nats=" + s.nats} {
			cmd := exec.Command(binary, append(strings.Fields(args), "-o", "json", transport)...)
			cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			require.NoError(t, err, "%s: %s", args, stderr.String())
			_, raw, _ := request(t, "GET", s.orchestrator+path, "", nil)
			require.JSONEq(t, string(raw), string(out), args)
		}
	}
}

// shape is the JSON without values that depend on the time or the record:
// identifiers, times and measurements keep only their type.
func shape(t *testing.T, body []byte) any {
	t.Helper()
	var v any
	require.NoError(t, json.Unmarshal(body, &v), string(body))
	return blur("", v)
}

var passing = []string{"seconds", "latency", "rate", "score", "count", "capacity", "running", "position", "total", "load", "success", "attempt", "revision", "free", "bytes", "number"}

func blur(name string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, child := range v {
			v[k] = blur(k, child)
		}
	case []any:
		for i, child := range v {
			v[i] = blur(name, child)
		}
	case string:
		for _, suffix := range []string{"id", "_of", "_at", "cursor", "completion", "status", "reason", "token", "url", "public_key"} {
			if strings.HasSuffix(name, suffix) {
				return "a " + suffix
			}
		}
	case float64:
		if slices.ContainsFunc(passing, func(p string) bool { return strings.Contains(name, p) }) {
			return "a number"
		}
	}
	return v
}
