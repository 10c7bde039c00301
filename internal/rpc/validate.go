package rpc

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
)

// MaxBody is the largest request body in bytes.
const MaxBody = 1 << 20

// maxInternal is the size limit of a request between services. It may contain a whole body of
// MaxBody and its context.
const maxInternal = MaxBody + 64<<10

// validator checks the requests of one operation: by their own Validate method
// where the operation has no route and its request has one, else against the
// schema.
type validator struct {
	schema *jsonschema.Schema // nil if the request has a Validate method
	path   map[string]string  // path parameter → the resource it names
	most   int                // bytes of a body
}

// checked is a request with a Validate method.
type checked interface{ Validate() error }

// validators are those of this process, by *schemas.Op. Several services run in
// one process, and their tests start hundreds.
var validators sync.Map

// validatorOf returns the validator of an operation, which the first call
// compiles.
func validatorOf(op *schemas.Op) (*validator, error) {
	compile, _ := validators.LoadOrStore(op, sync.OnceValues(func() (*validator, error) { return newValidator(op) }))
	return compile.(func() (*validator, error))()
}

func newValidator(op *schemas.Op) (*validator, error) {
	if op.Method == "" && op.Request != nil && op.Request.Implements(reflect.TypeFor[checked]()) {
		return &validator{most: mostOf(op)}, nil
	}
	name := op.RequestSchema()
	body, err := op.RequestDocument()
	if err != nil {
		return nil, err
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("schema %s: %w", name, err)
	}
	if op.Open {
		ignoreUnknown(doc)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat() // an invalid time is an error that names the field
	if err := compiler.AddResource(schemas.SchemaID(name), doc); err != nil {
		return nil, fmt.Errorf("schema %s: %w", name, err)
	}
	v := &validator{path: map[string]string{}, most: mostOf(op)}
	if v.schema, err = compiler.Compile(schemas.SchemaID(name)); err != nil {
		return nil, fmt.Errorf("schema %s: %w", name, err)
	}
	for _, f := range op.Fields() {
		if f.In == "path" {
			v.path[f.Name] = f.Resource()
		}
	}
	return v, nil
}

// mostOf returns the size limit of the body of an operation.
func mostOf(op *schemas.Op) int {
	if op.Internal && !op.ByWorker {
		return maxInternal
	}
	return MaxBody
}

// ignoreUnknown removes additionalProperties from a schema at every depth, so
// that unknown fields are allowed.
func ignoreUnknown(schema any) {
	switch node := schema.(type) {
	case map[string]any:
		if node["additionalProperties"] == false {
			delete(node, "additionalProperties")
		}
		for _, child := range node {
			ignoreUnknown(child)
		}
	case []any:
		for _, child := range node {
			ignoreUnknown(child)
		}
	}
}

// Decoder returns a function that validates a body against the published schema
// of an operation's request and decodes it into a pointer, as services do, for
// operations that the edge answers itself.
func Decoder(op *schemas.Op) (func(body []byte, req any) error, error) {
	v, err := validatorOf(op)
	if err != nil {
		return nil, err
	}
	return func(body []byte, req any) error { return v.decode(body, req) }, nil
}

// decode validates the body and decodes it into req, a pointer. Its errors are
// *hodei.Error and name the field.
func (v *validator) decode(body []byte, req any) error {
	if len(body) > v.most {
		return hodei.Errorf(hodei.TooLarge, "Request body exceeds %d bytes", v.most)
	}
	if len(bytes.TrimSpace(body)) == 0 {
		body = []byte("{}")
	}
	if v.schema == nil {
		return readChecked(body, req)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return malformed(body, err)
	}
	if field, issue := unfit("", value); issue != "" {
		return hodei.InvalidField(cmp.Or(field, "body"), issue)
	}
	if err := v.schema.Validate(value); err != nil {
		return v.explain(value, err)
	}
	return read(body, req)
}

// readChecked decodes a request that has a Validate method. Postgres cannot
// store a NUL character, which JSON can only contain as an escape: most bodies
// contain none and need no search value by value.
func readChecked(body []byte, req any) error {
	if err := read(body, req); err != nil {
		return err
	}
	if bytes.Contains(body, []byte(`\u0000`)) {
		var value any
		if err := read(body, &value); err != nil {
			return err
		}
		if field, issue := unfit("", value); issue != "" {
			return hodei.InvalidField(cmp.Or(field, "body"), issue)
		}
	}
	return req.(checked).Validate()
}

// read decodes a body into the request's type.
func read(body []byte, req any) error {
	if err := json.Unmarshal(body, req); err != nil {
		if errors.As(err, new(*json.SyntaxError)) {
			return malformed(body, err)
		}
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) {
			return hodei.InvalidField(cmp.Or(wrong.Field, "body"), jsonType(wrong.Type)+" required")
		}
		return hodei.InvalidField("body", err.Error())
	}
	return nil
}

// malformed describes where the JSON is invalid.
func malformed(body []byte, err error) error {
	issue := err.Error()
	var syntax *json.SyntaxError
	if serr := json.Unmarshal(body, new(any)); errors.As(serr, &syntax) {
		issue = fmt.Sprintf("%s (at byte %d)", syntax.Error(), syntax.Offset)
	}
	return &hodei.Error{
		Code: hodei.Invalid, Message: "Malformed JSON", Details: &hodei.ErrorDetails{Field: "body", Issue: issue},
	}
}

// unfit returns the location and the description of a value that neither the
// schema nor Postgres can handle: a NUL character, or a number that is no
// float64 and would be expensive to validate.
func unfit(at string, value any) (field, issue string) {
	below := func(name string) string { return strings.TrimPrefix(at+"."+name, ".") }
	switch v := value.(type) {
	case string:
		if strings.ContainsRune(v, 0) {
			return at, "must not contain the NUL character"
		}
	case json.Number:
		f, err := v.Float64()
		if err != nil || len(v) > 40 || f == 0 && strings.ContainsAny(v.String(), "eE") {
			return at, "number out of range"
		}
	case map[string]any:
		for name, child := range v {
			if strings.ContainsRune(name, 0) {
				return at, "must not contain the NUL character"
			}
			if field, issue = unfit(below(name), child); issue != "" {
				return field, issue
			}
		}
	case []any:
		for i, child := range v {
			if field, issue = unfit(below(strconv.Itoa(i)), child); issue != "" {
				return field, issue
			}
		}
	}
	return "", ""
}

// jsonType returns the JSON name of a Go type.
func jsonType(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "boolean"
	case reflect.Float32, reflect.Float64:
		return "number"
	case reflect.String:
		return "string"
	case reflect.Slice, reflect.Array:
		return "array"
	case reflect.Map, reflect.Struct:
		return "object"
	default:
		return "integer"
	}
}
