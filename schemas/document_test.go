package schemas

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
)

// about is the introduction of the document.
const about = `Run commands on a fleet of machines you own, over NATS. A pipeline groups jobs, a job defines a command, an
execution is one run of it on one worker, with live logs.

- **Ports.** The orchestrator's (8080), the scheduler's (8081) and the worker manager's (8082) all serve every path. Every path answers without ` + "`/api/v1`" + ` too.
- **Identifiers** carry a prefix (` + "`pipe_`, `job_`, `exec_`, `worker_`" + `) and are taken with it or without. Times are RFC 3339
  in UTC, durations are numbers of seconds.
- **Access.** Where ` + "`--auth`" + ` is set, every operation needs a token, as ` + "`Authorization: Bearer hodei_…`" + `, or the session of the
  console. The role that an operation needs is in its ` + "`security`" + `; each of viewer, developer, operator and admin includes those before it.
- **Errors** have one body, Error. An unknown path is 404 and a wrong method 405 with the same body. An unknown field of a
  body or parameter of a query is refused by name.
- **X-Request-Id** may be sent with any request (1 to 128 characters of ` + "`A-Za-z0-9._:/+=@-`" + `) and is in every reply; one is
  made where none is sent.
- **NATS** does the same: ` + "`x-nats-subject`" + ` is the subject of each operation, its body this body with the path's and the
  query's parameters in it.
`

// tags are the nouns, in the order in which a reader needs them.
var tags = []struct{ name, description string }{
	{"pipelines", "Groups of jobs. Port 8080."},
	{"jobs", "What to run. Port 8080."},
	{"runs", "Executions of whole pipelines. Port 8080."},
	{"schedules", "What starts runs and executions by the clock. Port 8080."},
	{"hooks", "What starts runs for events of other systems. Port 8080."},
	{"notifications", "Messages about runs, and the state of their delivery. Port 8082."},
	{"artifacts", "The files that jobs leave. Port 8080."},
	{"caches", "The files that jobs leave for later runs of their pipeline. Port 8080."},
	{"sources", "Trees that are uploaded for a run. Port 8080."},
	{"executions", "Runs of commands. Port 8080; executing a command without a job: 8082."},
	{"logs", "The output of executions, live and recorded. Port 8082."},
	{"scheduler", "The queue, and why an execution waits. Port 8081."},
	{"workers", "The fleet. Port 8082."},
	{"events", "What happens to executions and workers, as it happens. Every port."},
	{"secrets", "Values that jobs receive and that no reply contains. Port 8082."},
	{"stats", "Numbers of executions. Port 8080."},
	{"tokens", "Who may do what, where --auth is set. Every port."},
	{"system", "The state of the edge itself. Every port."},
}

// document builds the OpenAPI document of every operation with a route.
type document struct {
	*generator
	ids      map[string]string // operation → operationId
	examples map[*Op]example
	schemas  object
	paths    object
}

func openAPI(t testing.TB) object {
	g := newGenerator(t)
	g.shared = true
	d := &document{generator: g, ids: operationIDs(t), examples: examples(), schemas: object{}, paths: object{}}
	for _, op := range Operations {
		if op.Method != "" {
			// OpenAPI takes two paths that differ in the name of a parameter alone for one.
			d.path("/api/v1"+strings.Replace(op.Path, "/{slug}", "/{id}", 1), op.Method, d.operation(op))
		}
	}
	d.system()
	d.sessions()
	d.events()
	for typ := range components {
		schema := override(typ)
		d.schemas[typ.Name()] = schema
	}
	var named []any
	for _, tag := range tags {
		named = append(named, object{"name": tag.name, "description": tag.description})
	}
	return rewriteRefs(plainJSON(t, object{
		"openapi": "3.1.0",
		"info": object{
			"title": "Hodei", "version": "1.0.0", "description": about,
			"license": object{"name": "Apache-2.0", "identifier": "Apache-2.0"},
		},
		"servers": []any{
			object{"url": "/", "description": "The port that this document came from"},
			object{"url": "http://127.0.0.1:8080", "description": "orchestrator"},
			object{"url": "http://127.0.0.1:8081", "description": "scheduler"},
			object{"url": "http://127.0.0.1:8082", "description": "worker manager"},
		},
		"tags":  named,
		"paths": d.paths,
		"components": object{
			"schemas": d.schemas, "responses": d.errors(), "headers": headers(), "parameters": parameters(), "securitySchemes": securitySchemes(),
		},
	})).(object)
}

func (d *document) path(path, method string, operation object) {
	if d.paths[path] == nil {
		d.paths[path] = object{}
	}
	d.paths[path].(object)[strings.ToLower(method)] = operation
}

// use returns a reference to the type's schema among the components.
func (d *document) use(typ reflect.Type) object {
	maps.Copy(d.schemas, d.definitions(typ))
	return object{"$ref": "#/components/schemas/" + TypeName(typ)}
}

// tag returns the operation's noun.
func tag(op *Op) string {
	noun, _, _ := strings.Cut(op.Name, ".")
	switch op {
	case Execute.Op:
		return "executions"
	case WhoAmI.Op, ListAudit.Op:
		return "tokens"
	}
	return noun
}

// operationIDs returns the names of the operations' variables, which are also
// the names of the client's methods: "pipelines.create" is createPipeline.
func operationIDs(t testing.TB) map[string]string {
	ids := map[string]string{}
	for _, path := range []string{"access.go", "artifacts.go", "caches.go", "definitions.go", "hooks.go", "notifications.go", "orchestrator.go", "runs.go", "schedules.go", "scheduler.go", "secrets.go", "sources.go", "workermanager.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Values) == 0 {
				return true
			}
			call, ok := spec.Values[0].(*ast.CallExpr)
			if !ok {
				return true
			}
			for _, element := range call.Args[0].(*ast.CompositeLit).Elts {
				pair := element.(*ast.KeyValueExpr)
				if pair.Key.(*ast.Ident).Name == "Name" {
					name, err := strconv.Unquote(pair.Value.(*ast.BasicLit).Value)
					require.NoError(t, err)
					id := spec.Names[0].Name
					ids[name] = strings.ToLower(id[:1]) + id[1:]
				}
			}
			return false
		})
	}
	return ids
}

// rewriteRefs makes references point to the components of this document.
func rewriteRefs(v any) any {
	switch v := v.(type) {
	case object:
		for k, child := range v {
			if ref, ok := child.(string); ok && k == "$ref" {
				v[k] = strings.Replace(ref, "#/$defs/", "#/components/schemas/", 1)
				continue
			}
			v[k] = rewriteRefs(child)
		}
	case []any:
		for i, child := range v {
			v[i] = rewriteRefs(child)
		}
	}
	return v
}

// errors returns the responses that operations share, by name.
func (d *document) errors() object {
	out := object{}
	for _, code := range slices.Sorted(maps.Keys(hodei.Codes)) {
		failed := failures[code]
		head := object{"X-Request-Id": object{"$ref": "#/components/headers/RequestId"}}
		switch code {
		case hodei.Unavailable, hodei.RateLimited:
			head["Retry-After"] = object{"$ref": "#/components/headers/RetryAfter"}
		case hodei.MethodNotAllowed:
			head["Allow"] = object{"$ref": "#/components/headers/Allow"}
		}
		example := failed.example
		example.Code, example.Timestamp, example.RequestID = code, noon, "req_abc123"
		out[responseName(code)] = object{
			"description": string(code) + ": " + failed.when, "headers": head,
			"content": object{"application/json": object{"schema": d.use(reflect.TypeFor[hodei.Error]()), "example": example}},
		}
	}
	return out
}

// responseName returns the code as an identifier: NOT_FOUND is NotFound.
func responseName(code hodei.Code) string {
	var name string
	for word := range strings.SplitSeq(string(code), "_") {
		name += word[:1] + strings.ToLower(word[1:])
	}
	return name
}
