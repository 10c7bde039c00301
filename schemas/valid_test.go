package schemas

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
)

// compile compiles a schema inside a document. It fails on a schema that
// violates its metaschema.
func compile(t testing.TB, url string, body []byte, place string) *jsonschema.Schema {
	t.Helper()
	return compiler(t, url, body)(place)
}

// compiler returns a function that compiles the schema at a place of a document.
func compiler(t testing.TB, url string, body []byte) func(place string) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	require.NoError(t, err, url)
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	require.NoError(t, c.AddResource(url, doc))
	return func(place string) *jsonschema.Schema {
		schema, err := c.Compile(url + place)
		require.NoError(t, err, url+place)
		return schema
	}
}

// file reads a file as it is now. After -update it differs from the embedded
// one.
func file(t testing.TB, path string) []byte {
	t.Helper()
	body, err := os.ReadFile(path)
	require.NoError(t, err)
	return body
}

// numbers returns the value with numbers as the validator expects them.
func numbers(t testing.TB, v any) any {
	t.Helper()
	body, err := hodei.JSON(v)
	require.NoError(t, err)
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	require.NoError(t, err)
	return value
}

func schemaOf(t testing.TB, typ reflect.Type) *jsonschema.Schema {
	t.Helper()
	name := SchemaName(typ)
	return compile(t, SchemaID(name), file(t, "v1/"+name+".json"), "")
}

// Each published schema is valid JSON Schema 2020-12 and contains its
// metaschema and its id.
func TestSchemasAreValid(t *testing.T) {
	paths, err := filepath.Glob("v1/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	for _, path := range paths {
		body := file(t, path)
		var doc object
		require.NoError(t, json.Unmarshal(body, &doc))
		name := strings.TrimSuffix(filepath.Base(path), ".json")
		require.Equal(t, "https://json-schema.org/draft/2020-12/schema", doc["$schema"], path)
		require.Equal(t, "urn:hodei:v1:"+name, doc["$id"])
		require.Equal(t, "io.hodei.v1."+name, doc["title"])
		require.Equal(t, false, doc["additionalProperties"], "%s: a typo must not pass", path)
		compile(t, SchemaID(name), body, "")
	}
	c := jsonschema.NewCompiler()
	require.NoError(t, c.AddResource("urn:bad", object{"$schema": "https://json-schema.org/draft/2020-12/schema", "type": 7.0}))
	_, err = c.Compile("urn:bad")
	require.Error(t, err, "compiling must check against the metaschema")
}

// Each operation with a route has an example that matches its schemas.
func TestExamplesAreValid(t *testing.T) {
	all := examples()
	for _, op := range Operations {
		if op.Method == "" {
			require.NotContains(t, all, op)
			continue
		}
		shown, ok := all[op]
		require.True(t, ok, "%s has no example", op.Name)
		require.NoError(t, schemaOf(t, op.Request).Validate(numbers(t, shown.request)), op.Name)
		for _, reply := range []any{shown.reply, shown.other} {
			if reply != nil {
				require.NoError(t, schemaOf(t, op.Reply).Validate(numbers(t, reply)), op.Name)
			}
		}
		require.Equal(t, op.Other != 0, shown.other != nil, "%s: an example for each status", op.Name)
	}
	for code := range hodei.Codes {
		require.Contains(t, failures, code, "an error needs an example and a description")
	}
}

// The document is valid by the official schema of OpenAPI 3.1.
func TestOpenAPIIsValid(t *testing.T) {
	schema := compile(t, "https://spec.openapis.org/oas/3.1/schema/2022-10-07", file(t, "testdata/oas-3.1.json"), "")
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(file(t, "openapi.json")))
	require.NoError(t, err)
	require.NoError(t, schema.Validate(doc))
	delete(doc.(object)["info"].(object), "title")
	require.Error(t, schema.Validate(doc), "it must be able to fail")
}

// walk visits every object of the document with its JSON pointer.
func walk(v any, at string, visit func(at string, o object)) {
	switch v := v.(type) {
	case object:
		visit(at, v)
		for name, child := range v {
			walk(child, at+"/"+strings.NewReplacer("~", "~0", "/", "~1").Replace(name), visit)
		}
	case []any:
		for i, child := range v {
			walk(child, at+"/"+strconv.Itoa(i), visit)
		}
	}
}

// What the official schema does not check: references resolve, schemas are
// valid, examples match, ids are unique, and everything has a description.
func TestOpenAPIIsComplete(t *testing.T) {
	var doc object
	body := file(t, "openapi.json")
	require.NoError(t, json.Unmarshal(body, &doc))
	compileAt := compiler(t, "urn:openapi", body)
	schemaAt := func(at string) *jsonschema.Schema { return compileAt("#" + escaped.Replace(at)) }
	ids, described := map[string]bool{}, 0
	walk(doc, "", func(at string, o object) {
		if ref, ok := o["$ref"].(string); ok {
			require.NotNil(t, resolve(doc, ref), "%s leads nowhere", ref)
		}
		if id, ok := o["operationId"].(string); ok {
			require.False(t, ids[id], id)
			ids[id] = true
			require.NotEmpty(t, o["summary"], id)
			for _, tag := range o["tags"].([]any) {
				require.Contains(t, doc["tags"], object{"name": tag, "description": tagged(tag)}, id)
			}
		}
		if _, ok := o["schema"]; ok {
			compiled := schemaAt(at + "/schema")
			if example, ok := o["example"]; ok {
				require.NoError(t, compiled.Validate(numbers(t, example)), at)
			} else {
				require.NotContains(t, at, "/content/", "%s has no example", at)
			}
			if o["in"] != nil {
				require.NotEmpty(t, o["description"], at)
				described++
			}
		}
	})
	routes := 8 // those of the edge itself, such as its health
	for _, op := range Operations {
		if op.Method != "" {
			routes++
		}
	}
	require.Len(t, ids, routes)
	require.Greater(t, described, 50)
	for path, item := range doc["paths"].(object) {
		for method, op := range item.(object) {
			wanted := strings.Count(path, "{")
			for _, param := range list(op.(object)["parameters"]) {
				if param.(object)["in"] == "path" {
					require.Contains(t, path, "{"+param.(object)["name"].(string)+"}")
					wanted--
				}
			}
			require.Zero(t, wanted, "%s %s: a parameter is not described", method, path)
		}
	}
}

var escaped = strings.NewReplacer("{", "%7B", "}", "%7D")

func list(v any) []any { l, _ := v.([]any); return l }

func tagged(name any) string {
	for _, tag := range tags {
		if tag.name == name {
			return tag.description
		}
	}
	return "no tag of that name"
}

// resolve follows a reference within the document.
func resolve(doc object, ref string) any {
	var at any = doc
	for part := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
		o, ok := at.(object)
		if !ok {
			return nil
		}
		at = o[part]
	}
	return at
}
