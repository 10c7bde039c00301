package hodei

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Code is the class of an error, the same in every interface. Code is itself an
// error, so errors.Is(err, hodei.NotFound) holds in process and across the
// network.
type Code string

const (
	Invalid          Code = "VALIDATION_ERROR"
	Unauthenticated  Code = "UNAUTHENTICATED"
	Forbidden        Code = "FORBIDDEN"
	NotFound         Code = "NOT_FOUND"
	MethodNotAllowed Code = "METHOD_NOT_ALLOWED"
	Conflict         Code = "CONFLICT"
	TooLarge         Code = "PAYLOAD_TOO_LARGE"
	UnsupportedMedia Code = "UNSUPPORTED_MEDIA_TYPE"
	Misdirected      Code = "MISDIRECTED_REQUEST"
	Rejected         Code = "REJECTED"
	RateLimited      Code = "RATE_LIMITED"
	Internal         Code = "INTERNAL_ERROR"
	Unavailable      Code = "UNAVAILABLE"
	Timeout          Code = "TIMEOUT"
)

// Codes maps every code to its HTTP status, which is also the micro error code.
var Codes = map[Code]int{
	Invalid: 400, Unauthenticated: 401, Forbidden: 403, NotFound: 404, MethodNotAllowed: 405, Conflict: 409, TooLarge: 413,
	UnsupportedMedia: 415, Misdirected: 421, Rejected: 429, RateLimited: 429, Internal: 500, Unavailable: 503, Timeout: 504,
}

// CodeOf returns the code of an HTTP status without the documented body, such as the answer of
// a proxy: 429 is RateLimited.
func CodeOf(status int) (Code, bool) {
	for code, s := range Codes {
		if s == status && code != Rejected {
			return code, true
		}
	}
	return "", false
}

func (c Code) Error() string { return string(c) }

// Status returns the HTTP status of the code, 500 for an unknown code.
func (c Code) Status() int {
	if status, ok := Codes[c]; ok {
		return status
	}
	return Codes[Internal]
}

// Error is the body of a failed reply in every interface. Err stays inside the
// process.
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

// ErrorDetails names the invalid field and the problem.
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

// Unwrap returns both the code and the cause for errors.Is and errors.As.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Code}
	}
	return []error{e.Code, e.Err}
}

// Errorf returns an error with the code and a message for users.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// InvalidField returns an error that names the invalid field of a request.
func InvalidField(field, issue string) *Error {
	return &Error{Code: Invalid, Message: "Invalid request parameters", Details: &ErrorDetails{Field: field, Issue: issue}}
}

// Missing returns a NOT_FOUND error. The noun is the resource, such as
// "pipeline".
func Missing(noun, id string) *Error {
	return &Error{
		Code: NotFound, Message: strings.ToUpper(noun[:1]) + noun[1:] + " not found",
		Resource: noun, ResourceID: Clip(id, maxQuoted),
	}
}

// AsError returns err as users may see it: unchanged if it has a code,
// otherwise an internal error that hides the text of err and keeps it as the
// cause.
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
