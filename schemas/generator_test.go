package schemas

import (
	"encoding/json"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/invopop/jsonschema"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/definition"
)

type object = map[string]any

// generator converts Go types to schemas: fields by reflection, descriptions
// from doc comments, and overrides for what a Go type cannot express.
type generator struct {
	t         testing.TB
	reflector *jsonschema.Reflector
	structs   map[string]reflect.Type // by type name, for finish
	// shared refers to the types in components by name. Otherwise they are
	// inlined, which makes better validation errors.
	shared bool
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

// prefixed corrects the package paths that AddGoComments derives from "..".
func prefixed(comments map[string]string) map[string]string {
	out := map[string]string{}
	for name, text := range comments {
		name = strings.Replace(name, "github.com/hodei-jobs.", "github.com/hodei-jobs/hodei.", 1)
		name = strings.Replace(name, "github.com/hodei-jobs/schemas", "github.com/hodei-jobs/hodei/schemas", 1)
		out[name] = strings.Join(strings.Fields(text), " ")
	}
	return out
}

// override returns the schemas of types whose JSON differs from their Go kind.
func override(typ reflect.Type) *jsonschema.Schema {
	switch typ {
	case reflect.TypeFor[hodei.Command]():
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{
			{Type: "string", MinLength: ptr(uint64(1))},
			{Type: "array", Items: &jsonschema.Schema{Type: "string"}, MinItems: ptr(uint64(1))},
			{Type: "null"},
		}}
	case reflect.TypeFor[hodei.Shell]():
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{
			{Type: "string", Enum: []any{"sh", "bash", "pwsh"}},
			{Type: "array", Items: &jsonschema.Schema{Type: "string"}, MinItems: ptr(uint64(1))},
		}}
	case reflect.TypeFor[hodei.Scalar]():
		return scalar
	case reflect.TypeFor[hodei.Globs]():
		return globs
	case reflect.TypeFor[hodei.Condition]():
		return condition
	case reflect.TypeFor[hodei.Conditions]():
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{
			condition, {Type: "array", Items: condition, MaxItems: ptr(uint64(100))},
		}}
	case reflect.TypeFor[hodei.PipelineRef]():
		return &jsonschema.Schema{Type: "string", Pattern: "^" + hodei.PipelineRefPattern + "$"}
	case reflect.TypeFor[hodei.RunRef]():
		return &jsonschema.Schema{Type: "string", Pattern: "^" + hodei.RunRefPattern + "$"}
	case reflect.TypeFor[hodei.ExecutionRef]():
		return &jsonschema.Schema{Type: "string", Pattern: "^" + hodei.ExecutionRefPattern + "$"}
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
	case reflect.TypeFor[hodei.Leg]():
		return &jsonschema.Schema{Type: "object", AdditionalProperties: &jsonschema.Schema{Type: "string"}}
	case reflect.TypeFor[hodei.RunStatus]():
		return enum(hodei.RunTransitions.States())
	case reflect.TypeFor[hodei.RunJobStatus]():
		return enum(hodei.RunJobTransitions.States())
	case reflect.TypeFor[Selection]():
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{
			{Type: "string"}, {Type: "array", Items: &jsonschema.Schema{Type: "string"}, MaxItems: ptr(uint64(1000))},
		}}
	case reflect.TypeFor[hodei.WorkerStatus]():
		return enum(hodei.WorkerTransitions.States())
	case reflect.TypeFor[hodei.Stream]():
		return enum([]hodei.Stream{hodei.Stdout, hodei.Stderr})
	case reflect.TypeFor[hodei.Role]():
		return enum(append(slices.Clone(hodei.Roles), hodei.RoleWorker)) // a token for workers has it
	case reflect.TypeFor[hodei.CallerKind]():
		return enum([]hodei.CallerKind{hodei.CallerToken, hodei.CallerSession, hodei.CallerLocal, hodei.CallerUnknown})
	case reflect.TypeFor[hodei.Code]():
		return enum(slices.Sorted(maps.Keys(hodei.Codes)))
	}
	switch {
	case typ == reflect.TypeFor[OneOf[string]]():
		return &jsonschema.Schema{Type: "string", MaxLength: ptr(uint64(1000))}
	case strings.HasPrefix(typ.Name(), "OneOf[") && override(typ.Elem()) != nil && override(typ.Elem()).Pattern != "":
		one := strings.TrimSuffix(strings.TrimPrefix(override(typ.Elem()).Pattern, "^"), "$")
		return &jsonschema.Schema{Type: "string", Pattern: "^" + one + "(," + one + ")*$"}
	case strings.HasPrefix(typ.Name(), "OneOf["): // the services list the known states
		return &jsonschema.Schema{Type: "string"}
	case strings.HasPrefix(typ.Name(), "Patch["):
		return patched(typ.Field(1).Type.Elem())
	}
	if id, ok := reflect.New(typ).Elem().Interface().(interface{ Prefix() string }); ok {
		return &jsonschema.Schema{Type: "string", Pattern: "^(" + id.Prefix() + "_)?" + hodei.UUIDPattern + "$"}
	}
	return nil
}

// scalar is text that may be written as a number or a boolean.
var (
	scalar = &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Type: "string"}, {Type: "number"}, {Type: "boolean"}}}
	globs  = &jsonschema.Schema{AnyOf: []*jsonschema.Schema{
		{Type: "string"}, {Type: "number"}, {Type: "boolean"}, {Type: "array", Items: scalar},
	}}
	condition = &jsonschema.Schema{Type: "object", AdditionalProperties: globs}
)

// short are the structs that may also be written as the value of one field.
var short = map[reflect.Type]string{
	reflect.TypeFor[hodei.Need](): "string", reflect.TypeFor[hodei.SecretRef](): "string",
	reflect.TypeFor[hodei.AllowFailure](): "boolean",
}

// patched returns the schema of the value of a Patch field.
func patched(value reflect.Type) *jsonschema.Schema {
	if schema := override(value); schema != nil {
		return schema
	}
	if value.Kind() == reflect.Struct {
		return &jsonschema.Schema{Ref: "#/$defs/" + value.Name()}
	}
	schema := (&jsonschema.Reflector{Anonymous: true, Mapper: override}).ReflectFromType(value)
	schema.Version, schema.Definitions = "", nil // see definitions
	return schema
}

// components are the types with a name in OpenAPI that are not structs to the
// reflector.
var components = map[reflect.Type]bool{
	reflect.TypeFor[hodei.PipelineStatus](): true, reflect.TypeFor[hodei.ExecutionStatus](): true,
	reflect.TypeFor[hodei.RunStatus](): true, reflect.TypeFor[hodei.RunJobStatus](): true,
	reflect.TypeFor[hodei.WorkerStatus](): true, reflect.TypeFor[hodei.Stream](): true,
	reflect.TypeFor[hodei.Command](): true, reflect.TypeFor[hodei.Code](): true, reflect.TypeFor[Tail](): true,
}

func enum[S ~string](states []S) *jsonschema.Schema {
	s := &jsonschema.Schema{Type: "string"}
	for _, state := range states {
		s.Enum = append(s.Enum, string(state))
	}
	return s
}

func ptr[T any](v T) *T { return &v }

// document returns the standalone schema of one type.
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

// definitions returns the type and every struct it refers to, by type name.
func (g *generator) definitions(typ reflect.Type) object {
	var doc object
	if typ == reflect.TypeFor[PipelineDocument]() {
		return object{TypeName(typ): object{
			"type": "object", "additionalProperties": false, "properties": g.ofDefinition(),
			"description": "A definition as the equivalent JSON of hodei.yaml; its own schema is at /hodei.schema.json.",
		}}
	}
	body, err := json.Marshal(g.reflector.ReflectFromType(typ))
	require.NoError(g.t, err)
	require.NoError(g.t, json.Unmarshal(body, &doc))
	defs := doc["$defs"].(object)
	for name, def := range defs {
		g.finish(g.structs[name], def.(object))
	}
	for _, f := range reflect.VisibleFields(typ) { // the reflector does not look into them
		base := plain(f.Type)
		if strings.HasPrefix(f.Type.Name(), "Patch[") && (base.Kind() == reflect.Slice || base.Kind() == reflect.Map) {
			base = base.Elem()
		}
		if strings.HasPrefix(f.Type.Name(), "Patch[") && override(base) == nil && base.Kind() == reflect.Struct {
			maps.Copy(defs, g.definitions(base))
		}
	}
	if typ == reflect.TypeFor[LogPage]() {
		maps.Copy(defs, g.definitions(reflect.TypeFor[hodei.LogLine]()))
	}
	return defs
}

// finish adds what the reflector leaves out: a pointer may be null, numbers
// have a size, and names of environment variables have a pattern.
func (g *generator) finish(typ reflect.Type, def object) {
	props, _ := def["properties"].(object)
	for _, f := range reflect.VisibleFields(typ) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		prop, ok := props[name].(object)
		if !ok || f.Anonymous {
			continue
		}
		text, described := prop["description"].(string)
		base := plain(f.Type)
		if size := sizes[base.Kind()]; size != "" && prop["type"] != nil {
			prop["format"] = size
		}
		if components[base] && g.shared {
			prop = object{"$ref": "#/$defs/" + base.Name()}
		}
		inQuery := g.shared && f.Tag.Get("in") != "" // a query has no null
		if (f.Type.Kind() == reflect.Pointer || f.Tag.Get("null") == "true") && !inQuery && prop["$ref"] != "#/$defs/Command" {
			prop = nullable(prop)
		}
		if described {
			prop["description"] = inJSON(typ, text)
		}
		props[name] = prop
		if name == "environment" {
			prop["propertyNames"] = object{"pattern": "^[A-Za-z_][A-Za-z0-9_]*$"}
		}
	}
	if form, ok := short[typ]; ok {
		long := maps.Clone(def)
		clear(def)
		def["anyOf"] = []any{object{"type": form}, long}
	}
	switch typ {
	case reflect.TypeFor[ApplyPipelineRequest](): // the fields of a definition, which internal/definition checks
		for name, prop := range g.ofDefinition() {
			if _, own := props[name]; !own {
				props[name] = prop
			}
		}
		def["patternProperties"] = object{"^x-": object{}}
	case reflect.TypeFor[hodei.Change](): // any value
		for _, name := range []string{"from", "to"} {
			delete(props[name].(object), "type")
		}
	case reflect.TypeFor[hodei.LogLine](): // as timestamps=false has it
		def["required"] = slices.DeleteFunc(def["required"].([]any), func(name any) bool { return name == "timestamp" })
		props["timestamp"].(object)["description"] = "Left out where the reader asked for timestamps=false."
	case reflect.TypeFor[ExecutionRequest](): // a worker manager of an earlier version omits some fields
		def["required"] = slices.DeleteFunc(def["required"].([]any), func(name any) bool {
			return name != "command" && slices.ContainsFunc(reflect.VisibleFields(reflect.TypeFor[hodei.Spec]()), func(f reflect.StructField) bool {
				tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
				return tag == name
			})
		})
	case reflect.TypeFor[LogPage](): // raw only to spare the edge the decoding
		props["items"].(object)["items"] = object{"$ref": "#/$defs/LogLine"}
	}
}

// ofDefinition are the fields of a definition, whose values internal/definition checks.
func (g *generator) ofDefinition() object {
	var schema struct {
		Properties map[string]object `json:"properties"`
	}
	require.NoError(g.t, json.Unmarshal(definition.Schema, &schema))
	props := object{}
	for name, prop := range schema.Properties {
		props[name] = object{"description": "Of the definition: " + prop["description"].(string)}
	}
	return props
}

// plain returns the type without a pointer or Patch around it.
func plain(typ reflect.Type) reflect.Type {
	if strings.HasPrefix(typ.Name(), "Patch[") {
		typ = typ.Field(1).Type
	}
	if typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	return typ
}

// sizes are the formats of numbers, for code generators.
var sizes = map[reflect.Kind]string{reflect.Float64: "double", reflect.Int64: "int64"}

// inJSON replaces each field's Go name by its JSON name, because users who do
// not know Go read the descriptions.
func inJSON(typ reflect.Type, text string) string {
	return capitalised.ReplaceAllStringFunc(text, func(word string) string {
		if f, ok := typ.FieldByName(word); ok && !f.Anonymous {
			word, _, _ = strings.Cut(f.Tag.Get("json"), ",")
		}
		return word
	})
}

var capitalised = regexp.MustCompile(`\b[A-Z][A-Za-z]+\b`)

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
	return object{"anyOf": []any{object{"$ref": prop["$ref"]}, object{"type": "null"}}}
}
