package rpc

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
)

// MaxBody is the largest request body in bytes.
const MaxBody = 1 << 20

// validator checks the requests of one operation against its published schema.
type validator struct {
	schema *jsonschema.Schema
	path   map[string]string // path parameter → the resource it names
}

func newValidator(op *schemas.Op) (*validator, error) {
	name := op.RequestSchema()
	body, err := schemas.JSONSchema(name)
	if err != nil {
		return nil, err
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("schema %s: %w", name, err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource(schemas.SchemaID(name), doc); err != nil {
		return nil, fmt.Errorf("schema %s: %w", name, err)
	}
	v := &validator{path: map[string]string{}}
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

// decode checks the body and reads it into req, a pointer. What it returns is
// a *hodei.Error that names the field.
func (v *validator) decode(body []byte, req any) error {
	if len(body) > MaxBody {
		return hodei.Errorf(hodei.TooLarge, "Request body exceeds %d bytes", MaxBody)
	}
	if len(bytes.TrimSpace(body)) == 0 {
		body = []byte("{}")
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return &hodei.Error{
			Code: hodei.Invalid, Message: "Malformed JSON",
			Details: &hodei.ErrorDetails{Field: "body", Issue: malformed(body, err)},
		}
	}
	if err := v.schema.Validate(value); err != nil {
		return v.explain(value, err)
	}
	if field := findNUL("", value); field != "" {
		return hodei.InvalidField(field, "must not contain the NUL character")
	}
	if err := json.Unmarshal(body, req); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) {
			return hodei.InvalidField(wrong.Field, wrong.Type.String()+" required")
		}
		return hodei.InvalidField("body", err.Error())
	}
	return nil
}

// malformed says where the JSON breaks.
func malformed(body []byte, err error) string {
	var syntax *json.SyntaxError
	if serr := json.Unmarshal(body, new(any)); errors.As(serr, &syntax) {
		return fmt.Sprintf("%s (at byte %d)", syntax.Error(), syntax.Offset)
	}
	return err.Error()
}

// explain turns the first violation, by field name, into an error for users.
// A path parameter that cannot name a record is a record that is not there.
func (v *validator) explain(value any, err error) error {
	var failure *jsonschema.ValidationError
	if !errors.As(err, &failure) {
		return fmt.Errorf("validate: %w", err)
	}
	issues := collect(failure)
	slices.SortStableFunc(issues, func(a, b hodei.ErrorDetails) int { return strings.Compare(a.Field, b.Field) })
	first := issues[0]
	if noun, ok := v.path[first.Field]; ok && noun != "" {
		if object, ok := value.(map[string]any); ok {
			if id, ok := object[first.Field].(string); ok {
				return hodei.Missing(noun, id)
			}
		}
	}
	return hodei.InvalidField(first.Field, first.Issue)
}

// collect gathers the innermost violations.
func collect(e *jsonschema.ValidationError) []hodei.ErrorDetails {
	at := strings.Join(e.InstanceLocation, ".")
	under := func(names []string, issue string) (out []hodei.ErrorDetails) {
		for _, name := range names {
			out = append(out, hodei.ErrorDetails{Field: strings.TrimPrefix(at+"."+name, "."), Issue: issue})
		}
		return out
	}
	switch k := e.ErrorKind.(type) {
	case *kind.AdditionalProperties:
		return under(k.Properties, "unknown field")
	case *kind.Required:
		return under(k.Missing, "required")
	case *kind.PropertyNames:
		return under([]string{k.Property}, "invalid name")
	case *kind.AnyOf:
		return []hodei.ErrorDetails{{Field: at, Issue: alternatives(e)}}
	}
	var out []hodei.ErrorDetails
	for _, cause := range e.Causes {
		out = append(out, collect(cause)...)
	}
	if len(out) == 0 {
		out = []hodei.ErrorDetails{{Field: cmp.Or(at, "body"), Issue: issue(e.ErrorKind)}}
	}
	return out
}

// alternatives says what a value of several allowed types may be.
func alternatives(e *jsonschema.ValidationError) string {
	var wants []string
	for _, cause := range e.Causes {
		t, ok := leaf(cause).ErrorKind.(*kind.Type)
		if !ok { // the type is right, something inside it is not
			for _, inner := range collect(cause) {
				return inner.Issue
			}
		}
		for _, want := range t.Want {
			if want != "null" {
				wants = append(wants, want)
			}
		}
	}
	return strings.Join(wants, " or ") + " required"
}

func leaf(e *jsonschema.ValidationError) *jsonschema.ValidationError {
	for len(e.Causes) == 1 {
		e = e.Causes[0]
	}
	return e
}

var english = message.NewPrinter(language.English)

func issue(k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case *kind.Type:
		wants := slices.DeleteFunc(slices.Clone(k.Want), func(s string) bool { return s == "null" })
		return fmt.Sprintf("%s required, got %s", strings.Join(wants, " or "), k.Got)
	case *kind.Pattern:
		switch {
		case strings.Contains(k.Want, hodei.UUIDPattern):
			return "UUID format required"
		case k.Want == `\S`:
			return "must not be blank"
		}
		return "must match " + k.Want
	case *kind.Enum:
		var words []string
		for _, w := range k.Want {
			if w != nil {
				words = append(words, fmt.Sprint(w))
			}
		}
		return "one of " + strings.Join(words, ", ") + " required"
	}
	return k.LocalizedString(english)
}

// findNUL returns the field that holds a NUL character, which Postgres cannot
// store, or "".
func findNUL(at string, value any) string {
	switch v := value.(type) {
	case string:
		if strings.ContainsRune(v, 0) {
			return cmp.Or(at, "body")
		}
	case map[string]any:
		for name, child := range v {
			if strings.ContainsRune(name, 0) {
				return cmp.Or(at, "body")
			}
			if found := findNUL(strings.TrimPrefix(at+"."+name, "."), child); found != "" {
				return found
			}
		}
	case []any:
		for i, child := range v {
			if found := findNUL(fmt.Sprintf("%s.%d", at, i), child); found != "" {
				return found
			}
		}
	}
	return ""
}
