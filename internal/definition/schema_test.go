package definition

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	generator "github.com/invopop/jsonschema"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v4"

	"github.com/hodei-jobs/hodei"
)

var update = flag.Bool("update", false, "rewrite the generated files")

type object = map[string]any

// publisher turns the rules of the parser into a schema and into the reference.
type publisher struct {
	t        *testing.T
	comments map[string]string
	defs     object
}

func newPublisher(t *testing.T) *publisher {
	r := &generator.Reflector{}
	require.NoError(t, r.AddGoComments("github.com/hodei-jobs/hodei", "../..", generator.WithFullComment()))
	comments := map[string]string{}
	for name, text := range r.CommentMap {
		comments[name[strings.LastIndex(name, "/")+1:]] = strings.Join(strings.Fields(text), " ")
	}
	return &publisher{t: t, comments: comments, defs: object{}}
}

// described is the doc comment of a field, with the names of the file.
func (p *publisher) described(typ reflect.Type, r rule) string {
	owner := typ
	for _, i := range r.index[:len(r.index)-1] {
		owner = owner.Field(i).Type
	}
	text := ""
	for name, comment := range p.comments {
		if strings.HasSuffix(name, "."+owner.Name()+"."+owner.Field(r.index[len(r.index)-1]).Name) {
			text = comment
		}
	}
	return words.ReplaceAllStringFunc(text, func(word string) string {
		if f, ok := owner.FieldByName(word); ok && !f.Anonymous {
			for _, other := range rules(owner) {
				if slices.Equal(other.index, f.Index) {
					return other.name
				}
			}
		}
		return strings.NewReplacer("timeout_seconds", "timeout", "log_limit", "log_limit").Replace(word)
	})
}

var words = regexp.MustCompile(`\b[A-Z][A-Za-z]+\b`)

func (p *publisher) object(typ reflect.Type) object {
	props, required := object{}, []any{}
	for _, r := range rules(typ) {
		if r.key || r.json == "-" || r.keyed && r.name == "jobs" || r.name == "defaults" {
			continue
		}
		props[r.name] = p.field(typ, r)
		if r.required {
			required = append(required, r.name)
		}
	}
	out := object{"type": "object", "properties": props, "additionalProperties": false}
	if len(required) > 0 {
		out["required"] = required
	}
	return out
}

func (p *publisher) field(typ reflect.Type, r rule) object {
	out := p.value(r.typ, r)
	if text := p.described(typ, r); text != "" {
		out["description"] = text
	}
	if r.fallback != "" {
		var value any = r.fallback
		if json.Unmarshal([]byte(r.fallback), &value) != nil || r.duration {
			value = r.fallback
		}
		if seconds, ok := value.(float64); ok && r.duration {
			value = formatDuration(seconds)
		}
		out["default"] = value
	}
	return out
}

var (
	anyScalar = object{"type": []any{"string", "number", "boolean"}}
	textList  = object{"type": "array", "items": object{"type": "string"}, "minItems": 1}
)

func (p *publisher) value(typ reflect.Type, r rule) object {
	if typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	switch typ {
	case reflect.TypeFor[hodei.Command]():
		return object{"anyOf": []any{object{"type": "string", "minLength": 1}, textList}}
	case reflect.TypeFor[hodei.Shell]():
		return object{"anyOf": []any{object{"enum": []any{"sh", "bash", "pwsh"}}, textList}}
	case reflect.TypeFor[hodei.Globs]():
		return object{"anyOf": []any{anyScalar, object{"type": "array", "items": anyScalar, "minItems": 1}}}
	case reflect.TypeFor[hodei.Conditions]():
		one := p.value(reflect.TypeFor[hodei.Condition](), rule{})
		return object{"anyOf": []any{one, object{"type": "array", "items": one, "minItems": 1}}}
	}
	switch typ.Kind() {
	case reflect.Struct:
		return p.reference(typ)
	case reflect.Slice:
		if r.keyed {
			return object{"type": "object", "additionalProperties": p.value(typ.Elem(), rule{})}
		}
		out := object{"type": "array", "items": p.value(typ.Elem(), rule{enum: r.enum})}
		return bounded(out, r, "Items")
	case reflect.Map:
		return object{"type": "object", "additionalProperties": p.value(typ.Elem(), rule{short: true})}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.String:
		if typ == reflect.TypeFor[hodei.Scalar]() || r.short && r.name == "" { // the value of a map
			return object{"type": []any{"string", "number", "boolean"}}
		}
		out := object{"type": "string"}
		if r.enum != nil {
			return object{"enum": r.enum}
		}
		if r.pattern != nil {
			out["pattern"] = r.pattern.String()
		}
		return bounded(out, r, "Length")
	}
	return p.number(typ, r)
}

func (p *publisher) number(typ reflect.Type, r rule) object {
	switch {
	case r.duration:
		return object{"type": "string", "pattern": `^([0-9]+d)?([0-9]+(\.[0-9]+)?(h|m|s|ms))*$`, "examples": []any{"90s", "5m", "1h", "7d"}}
	case r.size:
		return object{"type": []any{"string", "integer"}, "examples": []any{"512MiB", "2GiB"}}
	}
	out := object{"type": "integer"}
	if typ.Kind() == reflect.Float64 {
		out["type"] = "number"
	}
	if r.low != nil {
		out[map[bool]string{true: "exclusiveMinimum", false: "minimum"}[r.above]] = *r.low
	}
	if r.high != nil {
		out["maximum"] = *r.high
	}
	return out
}

func bounded(out object, r rule, of string) object {
	if r.least > 0 {
		out["min"+of] = r.least
	}
	if r.long > 0 {
		out["max"+of] = r.long
	}
	return out
}

// reference puts a struct into the definitions; one with a short form may be either.
func (p *publisher) reference(typ reflect.Type) object {
	name := typ.Name()
	if _, ok := p.defs[name]; !ok {
		p.defs[name] = nil
		p.defs[name] = p.object(typ)
	}
	ref := object{"$ref": "#/$defs/" + name}
	for _, r := range rules(typ) {
		if r.short {
			return object{"anyOf": []any{p.value(r.typ, r), ref}}
		}
	}
	return ref
}

// nullable allows null for each field of a job: it removes a default.
func nullable(job object) object {
	props := job["properties"].(object)
	for name, prop := range props {
		field := prop.(object)
		out := object{"anyOf": []any{field, object{"type": "null"}}}
		for _, outside := range []string{"description", "default"} {
			if text, ok := field[outside]; ok {
				out[outside] = text
				delete(field, outside)
			}
		}
		props[name] = out
	}
	return job
}

func (p *publisher) schema() object {
	root := p.object(reflect.TypeFor[hodei.Definition]())
	job := nullable(p.object(reflect.TypeFor[hodei.JobDefinition]()))
	props := root["properties"].(object)
	env := job["properties"].(object)["env"].(object)
	env["anyOf"].([]any)[0].(object)["additionalProperties"] = object{"type": []any{"string", "number", "boolean", "null"}}
	fields := object{}
	for name, prop := range job["properties"].(object) {
		if !slices.Contains(ownFields, name) {
			fields[name] = prop
		}
	}
	p.defs["Job"] = job
	p.defs["Defaults"] = object{"type": "object", "properties": fields, "additionalProperties": false}
	jobs := func(text string) object {
		return object{
			"description": text, "type": "object", "propertyNames": object{"pattern": jobKey.String()},
			"additionalProperties": object{"anyOf": []any{object{"$ref": "#/$defs/Job"}, object{"type": "null"}}},
		}
	}
	props["jobs"] = jobs("The jobs by their keys. Their order implies nothing: needs does.")
	props["jobs"].(object)["minProperties"] = 1
	props["finally"] = jobs("Jobs that run after all others have ended. One without a timeout has five minutes.")
	props["defaults"] = object{"$ref": "#/$defs/Defaults", "description": "Fields of every job that does not give its own: any but " + strings.Join(ownFields, ", ") + "."}
	root["required"] = []any{"slug", "jobs"}
	root["patternProperties"] = object{"^x-": object{"description": "Ignored: a place for anchors."}}
	root["$schema"], root["$id"], root["title"] = generator.Version, "urn:hodei:hodei.yaml", "hodei.yaml"
	root["description"] = "A pipeline and its jobs."
	root["$defs"] = p.defs
	return root
}

// generated compares a file with what it should be, and with -update writes it.
func generated(t *testing.T, path string, want []byte) {
	t.Helper()
	if *update {
		require.NoError(t, os.WriteFile(path, want, 0o644))
	}
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got), "%s is stale; run: go test ./internal/definition -update", path)
}

func TestSchemaIsThatOfTheParser(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	require.NoError(t, enc.Encode(newPublisher(t).schema()))
	generated(t, "hodei.schema.json", b.Bytes())
}

func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := os.ReadFile("hodei.schema.json")
	require.NoError(t, err)
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	require.NoError(t, err)
	c := jsonschema.NewCompiler()
	require.NoError(t, c.AddResource("urn:hodei:hodei.yaml", doc))
	schema, err := c.Compile("urn:hodei:hodei.yaml")
	require.NoError(t, err)
	return schema
}

// asJSON is a YAML document as the validator of an editor has it.
func asJSON(t *testing.T, text []byte) any {
	t.Helper()
	var value any
	require.NoError(t, yaml.Load(text, &value))
	body, err := json.Marshal(value)
	require.NoError(t, err)
	out, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	require.NoError(t, err)
	return out
}

const referenceBegins, referenceEnds = "<!-- reference -->\n", "<!-- end of the reference -->\n"

func TestReferenceIsThatOfTheParser(t *testing.T) {
	t.Parallel()
	const path = "../../docs/pipelines.md"
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	before, rest, ok := strings.Cut(string(text), referenceBegins)
	require.True(t, ok)
	_, after, ok := strings.Cut(rest, referenceEnds)
	require.True(t, ok)
	var b strings.Builder
	p, seen := newPublisher(t), map[reflect.Type]bool{}
	p.tables(&b, "Pipeline", reflect.TypeFor[hodei.Definition](), seen)
	b.WriteString("`jobs` and `finally` are mappings of jobs by their keys, `defaults` has fields of jobs.\n\n")
	p.tables(&b, "Job", reflect.TypeFor[hodei.JobDefinition](), seen)
	generated(t, path, []byte(before+referenceBegins+"\n"+b.String()+referenceEnds+after))
}

// examples are the documents that are shown to users, which parser and schema accept.
func examples(t *testing.T) []string {
	t.Helper()
	paths := []string{"testdata/grammar.yaml", "example.yaml"}
	for _, pattern := range []string{"../../examples/*.yaml", "../../examples/*/hodei.yaml"} {
		found, err := filepath.Glob(pattern)
		require.NoError(t, err)
		paths = append(paths, found...)
	}
	return paths
}

func TestExamplesAreValidByParserAndSchema(t *testing.T) {
	t.Parallel()
	schema := compiled(t)
	for _, path := range examples(t) {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		_, problems := Parse(text, YAML)
		require.Empty(t, Errors(problems), path)
		require.Empty(t, Warnings(problems), path)
		require.NoError(t, schema.Validate(asJSON(t, text)), path)
	}
}

func TestTheSchemaRefusesWhatTheParserRefuses(t *testing.T) {
	t.Parallel()
	schema := compiled(t)
	for _, text := range []string{
		"slug: x\njobs: {}", "slug: X\njobs: {a: {command: x}}", "slug: x\njobs: {a: {command: x, script: y}}",
		"slug: x\njobs: {a: {command: x, timeout: 60}}", "slug: x\njobs: {a: {command: x, priority: 11}}",
		"slug: x\njobs: {a: {command: x, when: sometimes}}", "slug: x\njobs: {a: {command: x, needs: a}}",
		"slug: x\nnmae: y\njobs: {a: {command: x}}", "slug: x\njobs: {a: {command: x, retries: {backoff: 1s}}}",
		"slug: x\ndefaults: {needs: [a]}\njobs: {a: {command: x}}", "slug: x\njobs: {a: {command: []}}",
	} {
		_, problems := Parse([]byte(text), YAML)
		require.NotEmpty(t, Errors(problems), text)
		require.Error(t, schema.Validate(asJSON(t, []byte(text))), text)
	}
}

// tables has every field of a type as a table, and those of the types in it.
func (p *publisher) tables(b *strings.Builder, title string, typ reflect.Type, seen map[reflect.Type]bool) {
	seen[typ] = true
	fmt.Fprintf(b, "#### %s\n\n| field | value | default | |\n|---|---|---|---|\n", title)
	var below []rule
	for _, r := range rules(typ) {
		if r.key || r.json == "-" || r.name == "jobs" || r.name == "defaults" {
			continue
		}
		shape, inner := shape(r.typ, r)
		if inner != nil && !seen[inner] {
			seen[inner] = true
			below = append(below, rule{name: r.name, typ: inner})
		}
		fallback := r.fallback
		if seconds := fallback; r.duration && seconds != "" {
			var n float64
			require.NoError(p.t, json.Unmarshal([]byte(seconds), &n))
			fallback = formatDuration(n)
		}
		if r.required {
			fallback = "required"
		} else if fallback != "" {
			fallback = "`" + fallback + "`"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", r.name, shape, fallback, strings.ReplaceAll(p.described(typ, r), "|", "\\|"))
	}
	b.WriteString("\n")
	for _, r := range below {
		p.tables(b, heading(title, r.name), r.typ, seen)
	}
}

func heading(title, name string) string {
	if title == "Pipeline" || title == "Job" {
		return "`" + name + "`"
	}
	return strings.TrimSuffix(title, "`") + "." + name + "`"
}

// shape is what a value of the type looks like, and the struct in it.
func shape(typ reflect.Type, r rule) (string, reflect.Type) {
	if typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	switch typ {
	case reflect.TypeFor[hodei.Command]():
		return "text or list", nil
	case reflect.TypeFor[hodei.Shell]():
		return "`sh`, `bash`, `pwsh` or list", nil
	case reflect.TypeFor[hodei.Conditions]():
		return "mapping or list of them", nil
	case reflect.TypeFor[hodei.AllowFailure]():
		return "`true`, `false` or mapping", typ
	}
	switch typ.Kind() {
	case reflect.Struct:
		for _, f := range rules(typ) {
			if f.short {
				return "text or mapping", typ
			}
		}
		return "mapping", typ
	case reflect.Slice:
		of, inner := shape(typ.Elem(), rule{enum: r.enum})
		if r.keyed {
			return "mapping by name", inner
		}
		return "list of: " + of, inner
	case reflect.Map:
		of, inner := shape(typ.Elem(), rule{})
		return "mapping of: " + of, inner
	case reflect.Bool:
		return "`true` or `false`", nil
	case reflect.String:
		if len(r.enum) > 0 {
			return "`" + strings.Join(r.enum, "` `") + "`", nil
		}
		return "text", nil
	}
	switch {
	case r.duration:
		return "duration", nil
	case r.size:
		return "size", nil
	case r.low != nil && r.high != nil && !r.above && *r.high < 1e6:
		return fmt.Sprintf("number, %v to %v", *r.low, *r.high), nil
	}
	return "number", nil
}
