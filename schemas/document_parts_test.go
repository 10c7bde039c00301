package schemas

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
)

// operation returns the entry of one operation.
func (d *document) operation(op *Op) object {
	shown := d.examples[op]
	out := object{
		"operationId": d.ids[op.Name], "summary": op.Summary, "tags": []any{tag(op)},
		"responses": d.responses(op, shown), "security": security(op),
	}
	if op.Description != "" {
		out["description"] = op.Description
	}
	if op.Subject != "" {
		out["x-nats-subject"] = op.Subject
	}
	request := d.definitions(op.Request)
	body := request[TypeName(op.Request)].(object)
	values, _ := plainJSON(d.t, shown.request).(object)
	if params := d.parameters(op, body, values); len(params) > 0 {
		out["parameters"] = params
	}
	if props, _ := body["properties"].(object); op.Method != "GET" && len(props) > 0 {
		maps.Copy(d.schemas, request) // without the parameters, which have been removed from it
		_, needed := body["required"]
		content := object{"application/json": object{
			"schema": object{"$ref": "#/components/schemas/" + TypeName(op.Request)}, "example": values,
		}}
		if op.YAML {
			needed = true
			content["application/yaml"] = yamlText
		}
		out["requestBody"] = object{"required": needed, "content": content}
	}
	return out
}

// security is the role that the operation needs, with a token or with a session.
func security(op *Op) []any {
	return []any{object{"token": []any{string(op.Role)}}, object{"session": []any{string(op.Role)}}}
}

// securitySchemes are the ways to prove who asks. Without --auth none is needed.
func securitySchemes() object {
	return object{
		"token": object{
			"type": "http", "scheme": "bearer", "bearerFormat": "hodei_…",
			"description": "A token of `POST /tokens` or `hodei token create`. Needed where `--auth` is set.",
		},
		"session": object{
			"type": "apiKey", "in": "cookie", "name": "hodei_session", "description": "The session of the console.",
		},
	}
}

// yamlText is a definition as a file.
var yamlText = object{
	"schema":  object{"type": "string", "description": "hodei.yaml; its JSON Schema is at /hodei.schema.json."},
	"example": "slug: release\njobs:\n  build:\n    command: cargo build\n",
}

// names are the ways to write a record's reference beside its id.
var names = map[string]string{
	"pipeline": ", or its slug", "run": `, or its pipeline and number as "release#42"`,
	"execution": `, or a job in a run as "release#42/test"`,
}

// parameters removes the fields that do not travel in the body from it, and
// their values from the example.
func (d *document) parameters(op *Op, body, values object) (out []any) {
	props, _ := body["properties"].(object)
	add := func(f Field, schema object) {
		text, _ := schema["description"].(string)
		delete(schema, "description")
		if f.Resource() != "" && f.In == "path" {
			text = "The " + f.Resource() + "'s id, with its prefix or without" + names[f.Resource()] + "."
		}
		shown := f.Name
		if op == ApplyPipeline.Op && f.In == "path" {
			shown = "id" // as the path has it in this document
		}
		param := object{"name": shown, "in": f.In, "required": f.In == "path", "description": text, "schema": schema}
		if value, shown := values[f.Name]; shown {
			param["example"] = value
		}
		out = append(out, param)
		delete(props, f.Name)
		delete(values, f.Name)
	}
	for _, f := range op.Fields() {
		add(f, props[f.Name].(object))
		if required, ok := body["required"].([]any); ok {
			body["required"] = slices.DeleteFunc(required, func(name any) bool { return name == f.Name })
		}
	}
	if required, _ := body["required"].([]any); len(required) == 0 {
		delete(body, "required")
	}
	if op == GetLogs.Op {
		add(Field{Name: "follow", In: "query", Type: reflect.TypeFor[bool]()}, object{
			"type": "boolean", "description": "Goes on until the execution ends. Not for application/json.",
		})
		add(Field{Name: "format", In: "query", Type: reflect.TypeFor[string]()}, object{
			"type": "string", "enum": []any{"json", "text", "events"}, "description": "The format, with precedence over the Accept header.",
		})
	}
	if op == GetLogs.Op || op.Streams {
		out = append(out, object{"$ref": "#/components/parameters/LastEventId"})
	}
	if op.Creates {
		out = append(out, object{"$ref": "#/components/parameters/IdempotencyKey"})
	}
	return out
}

// responses returns the response of success and that of every error.
func (d *document) responses(op *Op, shown example) object {
	success := func(text string, reply any) object {
		out := object{"description": text, "headers": object{"X-Request-Id": object{"$ref": "#/components/headers/RequestId"}}}
		if op.Status != 204 {
			out["content"] = d.content(op, reply)
		}
		return out
	}
	first, then := op.Summary, ""
	if op == ApplyPipeline.Op {
		first, then = "It was changed, or needed no change", "It was created"
	} else if op.Other != 0 {
		first, then = "A worker has accepted it", "It waits in the queue for a worker"
	}
	out := object{strconv.Itoa(op.Status): success(first, shown.reply)}
	if op.Other != 0 {
		out[strconv.Itoa(op.Other)] = success(then, shown.other)
	}
	if op.File {
		out["206"] = success("The part that Range names", shown.reply)
	}
	codes := append([]hodei.Code{hodei.Invalid, hodei.Unauthenticated, hodei.Forbidden, hodei.RateLimited, hodei.Unavailable, hodei.Timeout, hodei.Internal}, op.Errors...)
	if op.Method == "POST" || op.Method == "PATCH" || op.Method == "PUT" {
		codes = append(codes, hodei.TooLarge, hodei.UnsupportedMedia)
	}
	if op.Creates {
		codes = append(codes, hodei.Conflict) // a key that was used for another request
	}
	for _, code := range codes {
		out[strconv.Itoa(code.Status())] = object{"$ref": "#/components/responses/" + responseName(code)}
	}
	return out
}

// content returns the body of a success in each of its media types.
func (d *document) content(op *Op, reply any) object {
	if op.File {
		file := object{"schema": object{"type": "string", "format": "binary"}, "example": "the bytes of the file"}
		return object{"application/zstd": file, "application/zip": file, "application/octet-stream": file, "application/json": object{"schema": object{"type": "object"}, "example": object{"items": []object{{"path": "out/app", "size": 4096, "directory": false}}, "truncated": false}}}
	}
	json := object{"schema": d.use(op.Reply), "example": reply}
	if op.YAML && op.Method == "GET" {
		return object{"application/json": json, "application/yaml": yamlText}
	}
	if !op.Streams && op != GetLogs.Op {
		return object{"application/json": json}
	}
	if op == FollowEvents.Op {
		return object{"text/event-stream": object{
			"schema": object{
				"type": "string", "description": "Frames of server-sent events; x-events is the data of each kind of event.",
				"x-events": object{
					FeedExecution: d.use(reflect.TypeFor[Event]()), FeedWorker: d.use(reflect.TypeFor[WorkerState]()),
					FeedResync: d.use(reflect.TypeFor[Resync]()), "done": d.use(reflect.TypeFor[EventsEnd]()),
				},
			},
			"example": fmt.Sprintf("id: 47\nevent: execution\ndata: %s\n\n", text(reply)),
		}}
	}
	if op == FollowRun.Op {
		return object{"text/event-stream": object{
			"schema": object{
				"type": "string", "description": "Frames of server-sent events; x-events is the data of each kind of event.",
				"x-events": object{
					"message": d.use(reflect.TypeFor[RunLine]()), FrameJob: d.use(reflect.TypeFor[hodei.RunJob]()),
					"done": d.use(reflect.TypeFor[RunLogEnd]()),
				},
			},
			"example": fmt.Sprintf("id: AQAAAQI\ndata: %s\n\nevent: done\ndata: %s\n\n", text(reply), text(RunLogEnd{RunID: runID, Status: hodei.RunCompleted})),
		}}
	}
	events := object{
		"schema": object{
			"type": "string", "description": "Frames of server-sent events; x-events is the data of each kind of event.",
			"x-events": object{"message": d.use(reflect.TypeFor[hodei.LogLine]()), "done": d.use(reflect.TypeFor[LogEnd]())},
		},
		"example": frames(),
	}
	if op.Streams {
		return object{"text/event-stream": events}
	}
	return object{
		"text/event-stream": events, "application/json": json,
		"text/plain": object{"schema": object{"type": "string"}, "example": logLines[0].Line + "\n" + logLines[1].Line + "\n"},
	}
}

func headers() object {
	text := func(about, example string) object {
		return object{"description": about, "schema": object{"type": "string"}, "example": example}
	}
	return object{
		"RequestId":  text("The request's own X-Request-Id, or the one made for it.", "req_0193d1a4-7a30-7cc2-8b8e-2f1f5f3f9a01"),
		"RetryAfter": text("Seconds after which to try again.", "1"),
		"Allow":      text("The methods that the path answers to.", "GET, POST"),
	}
}

func parameters() object {
	return object{
		"IdempotencyKey": object{
			"name": "Idempotency-Key", "in": "header", "required": false, "example": "build-4711",
			"description": "Makes repeating the request harmless: within 24 h the same key with the same body gives the first " +
				"answer again, with another body 409.",
			"schema": object{"type": "string", "minLength": 1, "maxLength": 255, "pattern": `^[ -~]+$`},
		},
		"LastEventId": object{
			"name": "Last-Event-ID", "in": "header", "required": false, "example": "47",
			"description": "The id of the last frame that came: the stream goes on after it, whatever else is asked.",
			"schema":      object{"type": "string", "pattern": "^[0-9]+$"},
		},
	}
}

// system adds the routes of each port that are not operations.
func (d *document) system() {
	head := object{"X-Request-Id": object{"$ref": "#/components/headers/RequestId"}}
	about := func(path, id, summary string, responses object) {
		for _, response := range responses {
			response.(object)["headers"] = head
		}
		d.path(path, "GET", object{"operationId": id, "summary": summary, "tags": []any{"system"}, "responses": responses})
	}
	reply := func(text, media string, schema, example any) object {
		return object{"description": text, "content": object{media: object{"schema": schema, "example": example}}}
	}
	ready, text := d.use(reflect.TypeFor[Readiness]()), object{"type": "string"}
	about("/healthz", "getHealth", "Check that the process is running", object{
		"200": reply("It does", "application/json", ready, Readiness{Status: "ok"}),
	})
	about("/readyz", "getReadiness", "Check that requests can be answered: NATS and each service", object{
		"200": reply("They can", "application/json", ready, ready200),
		"503": reply("Not ready; see the checks", "application/json", ready, ready503),
	})
	about("/metrics", "getMetrics", "Get the metrics of the edge, for Prometheus", object{
		"200": reply("The metrics", "text/plain", text, "hodei_http_open_streams 3\n"),
	})
	about("/openapi.json", "getOpenAPI", "Get this document", object{
		"200": reply("The document", "application/json", object{"type": "object"}, object{"openapi": "3.1.0"}),
	})
	about("/docs", "getDocs", "Read this document in a browser, without the internet", object{
		"200": reply("The page", "text/html", text, "<!DOCTYPE html>"),
	})
}

// sessions adds the routes of the console's session, which need no role.
func (d *document) sessions() {
	head := object{"X-Request-Id": object{"$ref": "#/components/headers/RequestId"}}
	failed := func(codes ...hodei.Code) object {
		out := object{}
		for _, code := range codes {
			out[strconv.Itoa(code.Status())] = object{"$ref": "#/components/responses/" + responseName(code)}
		}
		return out
	}
	begin := failed(hodei.Invalid, hodei.Unauthenticated, hodei.TooLarge, hodei.UnsupportedMedia, hodei.RateLimited, hodei.Unavailable, hodei.Timeout, hodei.Internal)
	for status, text := range map[string]string{"200": "No session is needed: access control is off", "201": "The session has begun; Set-Cookie has it"} {
		begin[status] = object{"description": text, "headers": head, "content": object{
			"application/json": object{"schema": d.use(reflect.TypeFor[Identity]()), "example": identity()},
		}}
	}
	d.path("/api/v1/session", "POST", object{
		"operationId": "createSession", "summary": "Sign in to the console with a token", "tags": []any{"tokens"}, "responses": begin,
		"requestBody": object{"required": true, "content": object{"application/json": object{
			"schema": d.use(reflect.TypeFor[SignInRequest]()), "example": SignInRequest{Token: secretText},
		}}},
	})
	end := failed(hodei.Invalid, hodei.Unavailable, hodei.Timeout, hodei.Internal)
	end["204"] = object{"description": "The session has ended, or there was none", "headers": head}
	d.path("/api/v1/session", "DELETE", object{"operationId": "deleteSession", "summary": "Sign out of the console", "tags": []any{"tokens"}, "responses": end})
}

// events adds the URL of a hook, whose requests need no role: they are signed.
func (d *document) events() {
	head := object{"X-Request-Id": object{"$ref": "#/components/headers/RequestId"}}
	answers := object{}
	for _, code := range []hodei.Code{
		hodei.Invalid, hodei.Unauthenticated, hodei.NotFound, hodei.TooLarge, hodei.UnsupportedMedia, hodei.Rejected, hodei.Unavailable, hodei.Timeout, hodei.Internal,
	} {
		answers[strconv.Itoa(code.Status())] = object{"$ref": "#/components/responses/" + responseName(code)}
	}
	shown := d.examples[ApproveDelivery.Op].reply
	for status, text := range map[string]string{
		"200": "The event starts nothing, or its run could not be created", "201": "The event was received before, and has a run",
		"202": "The event is accepted and its run is created next, or it waits for an approval",
	} {
		answers[status] = object{"description": text, "headers": head, "content": object{
			"application/json": object{"schema": d.use(reflect.TypeFor[hodei.Delivery]()), "example": shown},
		}}
	}
	d.path("/api/v1/hooks/{id}", "POST", object{
		"operationId": "receiveHook", "summary": "Post an event to a hook", "tags": []any{"hooks"}, "responses": answers, "security": []any{},
		"description": "Events of GitHub, Gitea, Forgejo and GitLab as these send them, with their signatures; to a generic hook {params?, ref?}, signed as " +
			"the specification Standard Webhooks has it. An event that was received before starts nothing more: the answer is its delivery as it stands.",
		"parameters": []any{object{"name": "id", "in": "path", "required": true, "description": "The hook's id, with its prefix or without.",
			"schema": object{"type": "string"}, "example": "hook_018d0c9f-1c40-7a1b-9d52-6f0e8a7b3c92"}},
		"requestBody": object{"required": false, "content": object{"application/json": object{
			"schema": object{"type": "object"}, "example": object{"params": object{"version": "1.4.0"}, "ref": "refs/tags/v1.4.0"},
		}}},
	})
}

// plainJSON returns the value as a JSON decoder represents it.
func plainJSON(t testing.TB, v any) any {
	body, err := hodei.JSON(v)
	require.NoError(t, err)
	var out any
	require.NoError(t, json.Unmarshal(body, &out))
	return out
}
