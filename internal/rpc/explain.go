package rpc

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/hodei-jobs/hodei"
)

// unknown is the issue of a field that the schema does not name.
const unknown = "unknown field"

// IsUnknownField reports whether a request was refused for a field that the
// receiver does not know. Another instance, of a later version, may accept it.
func IsUnknownField(err error) bool {
	var refused *hodei.Error
	return errors.As(err, &refused) && refused.Code == hodei.Invalid && refused.Details != nil && refused.Details.Issue == unknown
}

// explain converts the first violation to an error for users. Unknown fields
// come first, because a typo is often the reason for a missing field; then
// fields in order of name. An invalid id in the path is a record that does not
// exist.
func (v *validator) explain(value any, err error) error {
	var failure *jsonschema.ValidationError
	if !errors.As(err, &failure) {
		return fmt.Errorf("validate: %w", err)
	}
	issues := collect(failure)
	slices.SortStableFunc(issues, func(a, b hodei.ErrorDetails) int {
		if known := (a.Issue != unknown); known != (b.Issue != unknown) {
			if known {
				return 1
			}
			return -1
		}
		return strings.Compare(a.Field, b.Field)
	})
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

// collect returns the innermost violations.
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
		return under(k.Properties, unknown)
	case *kind.Required:
		return under(k.Missing, "required")
	case *kind.PropertyNames:
		// The library reuses this slice; the location in the schema names the
		// object as well.
		at = path.Base(strings.TrimSuffix(e.SchemaURL, "/propertyNames"))
		return under([]string{k.Property}, "invalid name")
	case *kind.AnyOf:
		return alternatives(e)
	}
	var out []hodei.ErrorDetails
	for _, cause := range e.Causes {
		out = append(out, collect(cause)...)
	}
	if len(out) == 0 {
		out = []hodei.ErrorDetails{{Field: field(e), Issue: issue(e.ErrorKind)}}
	}
	return out
}

// alternatives explains a mismatch with a value of several allowed types: the
// allowed types and words or, if the type is allowed, the violation inside the value.
func alternatives(e *jsonschema.ValidationError) []hodei.ErrorDetails {
	var wants []string
	for _, cause := range e.Causes {
		inner := leaf(cause)
		t, ok := inner.ErrorKind.(*kind.Type)
		word, isWord := inner.ErrorKind.(*kind.Enum)
		switch {
		case len(inner.InstanceLocation) > len(e.InstanceLocation) || !ok && !isWord:
			return collect(cause)
		case isWord:
			for _, want := range word.Want {
				wants = append(wants, fmt.Sprintf("%q", want))
			}
			continue
		}
		for _, want := range t.Want {
			if want != "null" {
				wants = append(wants, want)
			}
		}
	}
	return []hodei.ErrorDetails{{Field: field(e), Issue: strings.Join(wants, " or ") + " required"}}
}

// field returns the location of the violation in the notation that users write.
func field(e *jsonschema.ValidationError) string {
	return cmp.Or(strings.Join(e.InstanceLocation, "."), "body")
}

func leaf(e *jsonschema.ValidationError) *jsonschema.ValidationError {
	for len(e.Causes) == 1 {
		e = e.Causes[0]
	}
	return e
}

var english = message.NewPrinter(language.English)

// issue describes the violation for users.
func issue(k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case *kind.Type:
		wants := slices.DeleteFunc(slices.Clone(k.Want), func(s string) bool { return s == "null" })
		return fmt.Sprintf("%s required, got %s", strings.Join(wants, " or "), k.Got)
	case *kind.Pattern:
		switch {
		case strings.Contains(k.Want, hodei.UUIDPattern):
			return "UUID format required"
		case k.Want == "^"+hodei.SlugPattern+"$":
			return "1 to 63 of a-z, 0-9 and -, the first not -, required"
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
	case *kind.MinLength:
		return atLeast(k.Want, "characters")
	case *kind.MaxLength:
		return fmt.Sprintf("at most %d characters allowed, got %d", k.Want, k.Got)
	case *kind.Format:
		if k.Want == "date-time" {
			return "time as 2026-01-02T15:04:05Z required"
		}
	case *kind.MinItems:
		return atLeast(k.Want, "items")
	case *kind.MaxItems:
		return fmt.Sprintf("at most %d items allowed, got %d", k.Want, k.Got)
	case *kind.Minimum:
		return "at least " + k.Want.RatString() + " required"
	case *kind.Maximum:
		return "at most " + k.Want.RatString() + " allowed"
	case *kind.ExclusiveMinimum:
		return "more than " + k.Want.RatString() + " required"
	}
	return k.LocalizedString(english)
}

func atLeast(n int, what string) string {
	if n == 1 {
		return "must not be empty"
	}
	return fmt.Sprintf("at least %d %s required", n, what)
}
