package hodei

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Code is the class of an error, the same word on every face. Code is itself
// an error, so errors.Is(err, hodei.NotFound) holds in process and across the
// wire.
type Code string

const (
	Invalid          Code = "VALIDATION_ERROR"
	Forbidden        Code = "FORBIDDEN"
	NotFound         Code = "NOT_FOUND"
	MethodNotAllowed Code = "METHOD_NOT_ALLOWED"
	Conflict         Code = "CONFLICT"
	TooLarge         Code = "PAYLOAD_TOO_LARGE"
	UnsupportedMedia Code = "UNSUPPORTED_MEDIA_TYPE"
	Misdirected      Code = "MISDIRECTED_REQUEST"
	Rejected         Code = "REJECTED"
	Internal         Code = "INTERNAL_ERROR"
	Unavailable      Code = "UNAVAILABLE"
	Timeout          Code = "TIMEOUT"
)

// Codes maps every code to its HTTP status, which is the micro error code too.
var Codes = map[Code]int{
	Invalid: 400, Forbidden: 403, NotFound: 404, MethodNotAllowed: 405, Conflict: 409, TooLarge: 413,
	UnsupportedMedia: 415, Misdirected: 421, Rejected: 429, Internal: 500, Unavailable: 503, Timeout: 504,
}

func (c Code) Error() string { return string(c) }

// Status is the HTTP status of the code, 500 for an unknown one.
func (c Code) Status() int {
	if status, ok := Codes[c]; ok {
		return status
	}
	return Codes[Internal]
}

// Error is what a user meets when something fails: the body of the reply on
// every face. Err stays inside the process.
type Error struct {
	Code       Code          `json:"error"`
	Message    string        `json:"message"`
	Details    *ErrorDetails `json:"details,omitempty"`
	Resource   string        `json:"resource,omitempty"`
	ResourceID string        `json:"resource_id,omitempty"`
	Timestamp  time.Time     `json:"timestamp"`
	RequestID  string        `json:"request_id"`
	Err        error         `json:"-"`
}

// ErrorDetails names the offending field and what is wrong with it.
type ErrorDetails struct {
	Field string `json:"field"`
	Issue string `json:"issue"`
	// Problems are all that is wrong with a definition, the first one included.
	Problems []Problem `json:"problems,omitempty"`
}

func (e *Error) Error() string {
	text := e.Message
	if e.Details != nil {
		text = fmt.Sprintf("%s: %s: %s", e.Message, e.Details.Field, e.Details.Issue)
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap gives both the code and the cause to errors.Is and errors.As.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Code}
	}
	return []error{e.Code, e.Err}
}

// Errorf makes an error of the given code with a message for users.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// InvalidField says what is wrong with one field of a request.
func InvalidField(field, issue string) *Error {
	return &Error{Code: Invalid, Message: "Invalid request parameters", Details: &ErrorDetails{Field: field, Issue: issue}}
}

// Missing says that the record is not there. The noun is the resource, as in
// "pipeline".
func Missing(noun, id string) *Error {
	return &Error{
		Code: NotFound, Message: strings.ToUpper(noun[:1]) + noun[1:] + " not found",
		Resource: noun, ResourceID: clip(id),
	}
}

// AsError returns err as what a user may see: itself when it carries a code,
// else an internal error that hides its text and keeps it as the cause.
func AsError(err error) *Error {
	var known *Error
	if errors.As(err, &known) {
		return known
	}
	var code Code
	if errors.As(err, &code) {
		return &Error{Code: code, Message: "Request failed", Err: err}
	}
	return &Error{Code: Internal, Message: "Internal error", Err: err}
}
