package schemas

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/invopop/jsonschema"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
)

var update = flag.Bool("update", false, "rewrite the generated files")

// extraTypes are published without being the request or reply of an operation.
var extraTypes = []reflect.Type{
	reflect.TypeFor[hodei.Error](), reflect.TypeFor[hodei.Availability](), reflect.TypeFor[Event](),
	reflect.TypeFor[Stored](), reflect.TypeFor[LogEnd](),
}

// TestGenerated keeps v1/*.json and openapi.json equal to what the types and
// the operation table say. Run with -update to rewrite them.
func TestGenerated(t *testing.T) {
	g := newGenerator(t)
	want := map[string][]byte{"openapi.json": encode(t, g.openAPI())}
	for _, typ := range g.published() {
		name := SchemaName(typ)
		want["v1/"+name+".json"] = encode(t, g.document(typ, name))
	}
	if *update {
		old, err := filepath.Glob("v1/*.json")
		require.NoError(t, err)
		for _, path := range old {
			require.NoError(t, os.Remove(path))
		}
		for path, body := range want {
			require.NoError(t, os.WriteFile(path, body, 0o644))
		}
	}
	for path, body := range want {
		got, err := os.ReadFile(path)
		require.NoError(t, err, "run: go test ./schemas -update")
		require.Equal(t, string(body), string(got), "%s is stale; run: go test ./schemas -update", path)
	}
	entries, err := os.ReadDir("v1")
	require.NoError(t, err)
	require.Len(t, entries, len(want)-1, "v1/ holds files that nothing generates; run: go test ./schemas -update")
}

type object = map[string]any

// generator turns Go types into schemas: their fields by reflection, their
// descriptions from the doc comments, and what a Go type cannot say from
// overrides.
type generator struct {
	t         testing.TB
	reflector *jsonschema.Reflector
	structs   map[string]reflect.Type // by type name, for the nullable pass
}

func newGenerator(t testing.TB) *generator {
	g := &generator{t: t, structs: map[string]reflect.Type{}}
	g.reflector = &jsonschema.Reflector{
		Anonymous: true,
		Mapper:    override,
		Namer: func(typ reflect.Type) string {
			g.structs[TypeName(typ)] = typ
			return TypeName(typ)
		},
	}
	require.NoError(t, g.reflector.AddGoComments("github.com/hodei-jobs/hodei", "..", jsonschema.WithFullComment()))
	g.reflector.CommentMap = prefixed(g.reflector.CommentMap)
	return g
}

// prefixed repairs the package paths that AddGoComments derives from "..".
func prefixed(comments map[string]string) map[string]string {
	out := map[string]string{}
	for name, text := range comments {
		name = strings.Replace(name, "github.com/hodei-jobs.", "github.com/hodei-jobs/hodei.", 1)
		name = strings.Replace(name, "github.com/hodei-jobs/schemas", "github.com/hodei-jobs/hodei/schemas", 1)
		out[name] = strings.Join(strings.Fields(text), " ")
	}
	return out
}

// override gives the schemas of types whose JSON is not what their Go kind
// suggests.
func override(typ reflect.Type) *jsonschema.Schema {
	switch typ {
	case reflect.TypeFor[hodei.Command]():
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{
			{Type: "string", MinLength: ptr(uint64(1))},
			{Type: "array", Items: &jsonschema.Schema{Type: "string"}, MinItems: ptr(uint64(1))},
			{Type: "null"},
		}}
	case reflect.TypeFor[Tail]():
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{
			{Type: "integer", Minimum: "0"}, {Type: "string", Enum: []any{"all"}},
		}}
	case reflect.TypeFor[json.RawMessage]():
		return &jsonschema.Schema{Type: "object"}
	case reflect.TypeFor[hodei.PipelineStatus]():
		return enum(hodei.PipelineTransitions.States())
	case reflect.TypeFor[hodei.ExecutionStatus]():
		return enum(hodei.ExecutionTransitions.States())
	case reflect.TypeFor[hodei.WorkerStatus]():
		return enum(hodei.WorkerTransitions.States())
	case reflect.TypeFor[hodei.Stream]():
		return enum([]hodei.Stream{hodei.Stdout, hodei.Stderr})
	}
	if strings.HasPrefix(typ.Name(), "Patch[") {
		return patched(typ.Field(1).Type.Elem())
	}
	if id, ok := reflect.New(typ).Elem().Interface().(interface{ Prefix() string }); ok {
		return &jsonschema.Schema{Type: "string", Pattern: "^(" + id.Prefix() + "_)?" + hodei.UUIDPattern + "$"}
	}
	return nil
}

// patched is the schema of the value that a Patch field takes, written out.
func patched(value reflect.Type) *jsonschema.Schema {
	if schema := override(value); schema != nil {
		return schema
	}
	inline := &jsonschema.Reflector{Anonymous: true, DoNotReference: true, Mapper: override}
	schema := inline.ReflectFromType(value)
	schema.Version = ""
	return schema
}

func enum[S ~string](states []S) *jsonschema.Schema {
	s := &jsonschema.Schema{Type: "string"}
	for _, state := range states {
		s.Enum = append(s.Enum, string(state))
	}
	return s
}

func ptr[T any](v T) *T { return &v }

// published is every type with a schema file of its own.
func (g *generator) published() []reflect.Type {
	seen, types := map[reflect.Type]bool{}, []reflect.Type(nil)
	add := func(typ reflect.Type) {
		if !seen[typ] {
			seen[typ] = true
			types = append(types, typ)
		}
	}
	for _, op := range Operations {
		add(op.Request)
		add(op.Reply)
	}
	for _, typ := range extraTypes {
		add(typ)
	}
	return types
}

// document is the standalone schema of one type.
func (g *generator) document(typ reflect.Type, name string) object {
	defs := g.definitions(typ)
	doc := object{"$schema": jsonschema.Version, "$id": SchemaID(name), "title": "io.hodei.v1." + name}
	for k, v := range defs[TypeName(typ)].(object) {
		doc[k] = v
	}
	if delete(defs, TypeName(typ)); len(defs) > 0 {
		doc["$defs"] = defs
	}
	return doc
}

// definitions is the type and every struct it refers to, by type name.
func (g *generator) definitions(typ reflect.Type) object {
	var doc object
	body, err := json.Marshal(g.reflector.ReflectFromType(typ))
	require.NoError(g.t, err)
	require.NoError(g.t, json.Unmarshal(body, &doc))
	defs := doc["$defs"].(object)
	for name, def := range defs {
		g.finish(g.structs[name], def.(object))
	}
	return defs
}

// finish adds what the reflector leaves out: a pointer may be null, and the
// names of environment variables have a form.
func (g *generator) finish(typ reflect.Type, def object) {
	props, _ := def["properties"].(object)
	for _, f := range reflect.VisibleFields(typ) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		prop, ok := props[name].(object)
		if !ok || f.Anonymous {
			continue
		}
		if f.Type.Kind() == reflect.Pointer || f.Tag.Get("null") == "true" {
			props[name] = nullable(prop)
		}
		if name == "environment" {
			prop["propertyNames"] = object{"pattern": "^[A-Za-z_][A-Za-z0-9_]*$"}
		}
		if in := f.Tag.Get("in"); in == "path" {
			prop["x-hodei-in"] = in
		}
	}
}

func nullable(prop object) object {
	if values, ok := prop["enum"].([]any); ok {
		prop["enum"] = append(values, nil)
	}
	if kind, ok := prop["type"].(string); ok {
		prop["type"] = []any{kind, "null"}
		return prop
	}
	if anyOf, ok := prop["anyOf"].([]any); ok {
		for _, one := range anyOf {
			if one.(object)["type"] == "null" {
				return prop
			}
		}
		prop["anyOf"] = append(anyOf, object{"type": "null"})
		return prop
	}
	out := object{"anyOf": []any{object{"$ref": prop["$ref"]}, object{"type": "null"}}}
	if text, ok := prop["description"]; ok {
		out["description"] = text
	}
	return out
}

// openAPI is the document of every operation with a route.
func (g *generator) openAPI() object {
	components, paths := object{}, object{}
	use := func(typ reflect.Type) object {
		for name, def := range g.definitions(typ) {
			components[name] = def
		}
		return object{"$ref": "#/components/schemas/" + TypeName(typ)}
	}
	for _, op := range Operations {
		if op.Method == "" {
			continue
		}
		path, _ := paths["/api/v1"+op.Path].(object)
		if path == nil {
			path = object{}
			paths["/api/v1"+op.Path] = path
		}
		path[strings.ToLower(op.Method)] = g.operation(op, use)
	}
	doc := object{
		"openapi": "3.1.0",
		"info": object{
			"title": "Hodei", "version": "1.0.0", "license": object{"name": "Apache-2.0", "identifier": "Apache-2.0"},
			"description": "Run commands on a fleet of machines you own, over NATS. Every path answers without /api/v1 too.",
		},
		"paths": paths, "components": object{"schemas": components},
	}
	return rewriteRefs(doc).(object)
}

func (g *generator) operation(op *Op, use func(reflect.Type) object) object {
	out := object{"operationId": op.Name, "summary": op.Summary, "tags": []any{op.Service}}
	request := g.definitions(op.Request)[TypeName(op.Request)].(object)
	props, _ := request["properties"].(object)
	var params []any
	for _, f := range op.Fields() {
		schema := props[f.Name].(object)
		delete(schema, "x-hodei-in")
		params = append(params, object{"name": f.Name, "in": f.In, "required": f.In == "path", "schema": schema})
		delete(props, f.Name)
	}
	if len(params) > 0 {
		out["parameters"] = params
	}
	if op.Method != "GET" && len(props) > 0 {
		required := without(request["required"], op.Fields())
		request["required"] = required
		if len(required) == 0 {
			delete(request, "required")
		}
		use(op.Request) // for the structs that the body refers to
		out["requestBody"] = object{"required": len(required) > 0, "content": object{"application/json": object{"schema": request}}}
	}
	content := object{"application/json": object{"schema": use(op.Reply)}}
	if op.Streams {
		content = object{"text/event-stream": object{"schema": use(op.Reply)}}
	}
	responses := object{strconv.Itoa(op.Status): object{"description": op.Summary, "content": content}}
	if op.Other != 0 {
		responses[strconv.Itoa(op.Other)] = object{"description": "Queued until a worker is free", "content": content}
	}
	codes := append([]hodei.Code{hodei.Invalid, hodei.Unavailable, hodei.Timeout, hodei.Internal}, op.Errors...)
	if op.Method == "POST" || op.Method == "PATCH" {
		codes = append(codes, hodei.TooLarge, hodei.UnsupportedMedia)
	}
	for _, code := range codes {
		responses[strconv.Itoa(code.Status())] = object{
			"description": string(code),
			"content":     object{"application/json": object{"schema": use(reflect.TypeFor[hodei.Error]())}},
		}
	}
	out["responses"] = responses
	return out
}

func without(required any, fields []Field) []any {
	var out []any
	list, _ := required.([]any)
next:
	for _, name := range list {
		for _, f := range fields {
			if f.Name == name {
				continue next
			}
		}
		out = append(out, name)
	}
	return out
}

// rewriteRefs points references into the components of the one document.
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
		delete(v, "x-hodei-in")
	case []any:
		for i, child := range v {
			v[i] = rewriteRefs(child)
		}
	}
	return v
}

func encode(t testing.TB, v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	require.NoError(t, enc.Encode(v))
	return b.Bytes()
}
