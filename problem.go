package hodei

import (
	"cmp"
	"encoding/json"
	"fmt"
)

// Problem is something wrong with a definition, and where.
type Problem struct {
	// Field is the path of the field, as jobs.test.needs[0].
	Field string `json:"field"`
	Issue string `json:"issue"`
	// Line and Column count from 1; 0 where the definition has no text.
	Line   int `json:"line,omitempty"`
	Column int `json:"column,omitempty"`
	// Warning is true of a problem with which the definition is accepted.
	Warning bool `json:"-"`
	// Unsupported is true of a valid field that this version cannot act on.
	Unsupported bool `json:"-"`
}

// String is the problem as compilers write it: line:column: field: issue.
func (p Problem) String() string {
	text := p.Issue
	if p.Field != "" {
		text = p.Field + ": " + text
	}
	if p.Line > 0 {
		text = fmt.Sprintf("%d:%d: %s", p.Line, p.Column, text)
	}
	return text
}

// InvalidDefinition is the error for the problems of a definition. It names the field of
// the first one, "body" for the whole document, and lists all; nil without any.
func InvalidDefinition(problems []Problem) error {
	if len(problems) == 0 {
		return nil
	}
	message := "Invalid definition"
	if n := len(problems); n > 1 {
		message = fmt.Sprintf("Invalid definition: %d problems", n)
	}
	return &Error{Code: Invalid, Message: message, Details: &ErrorDetails{
		Field: cmp.Or(problems[0].Field, "body"), Issue: problems[0].Issue, Problems: problems,
	}}
}

// Changes of a field of a definition.
const (
	ChangeCreated = "created"
	ChangeChanged = "changed"
	ChangeDeleted = "deleted"
)

// Change is a field that differs between two definitions.
type Change struct {
	// Field is its path, as jobs.test.command; jobs.test alone is a whole job.
	Field  string `json:"field"`
	Action string `json:"action" jsonschema:"enum=created,enum=changed,enum=deleted"`
	// From and To are the values before and after, as the file has them.
	From json.RawMessage `json:"from,omitempty"`
	To   json.RawMessage `json:"to,omitempty"`
}
