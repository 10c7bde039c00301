package hodei

import (
	"math"
	"strings"
	"time"
)

// The Validate methods check values from other programs before they index a
// table, reach Postgres or are encoded again. They accept every value that a
// correct program of any version sends, and return a VALIDATION_ERROR that
// names the field.

const (
	// MaxSlots is the largest number of slots of a worker, and of a requirement.
	MaxSlots = 10000
	// MaxSequence is the largest sequence number of a line. Up to it, the
	// float64 of JSON readers represents every integer.
	MaxSequence = 1 << 53
	// maxSeconds is the longest timeout, a year.
	maxSeconds = 31536000
	// maxRevision leaves room to increase any accepted revision.
	maxRevision = 1 << 62
	// maxText bounds a type, an incarnation and a version.
	maxText = 100
)

// Validate checks the specification.
func (s Spec) Validate() error {
	switch {
	case s.Environment == nil:
		return InvalidField("environment", "required")
	case s.Priority < 0 || s.Priority > MaxPriority:
		return InvalidField("priority", "0 to 10 required")
	case s.TimeoutSeconds != nil && !IsTimeout(*s.TimeoutSeconds):
		return InvalidField("timeout_seconds", "more than 0 and at most 31536000 required")
	case s.WorkingDir != nil && (!strings.HasPrefix(*s.WorkingDir, "/") || len(*s.WorkingDir) > 4096):
		return InvalidField("working_dir", "an absolute path of at most 4096 bytes required")
	case s.LogLimit != nil && (*s.LogLimit < 1 || *s.LogLimit > MaxSequence):
		return InvalidField("log_limit", "1 to 2^53 bytes required")
	}
	for name := range s.Environment {
		if !isVariable(name) {
			return InvalidField("environment."+Clip(name, maxQuoted), "invalid name")
		}
	}
	if r := s.Retries; r != nil {
		switch {
		case r.Max < 0 || r.Max > 100:
			return InvalidField("retries.max", "0 to 100 required")
		case !(r.BackoffSeconds >= 0 && r.BackoffSeconds <= 86400):
			return InvalidField("retries.backoff_seconds", "0 to 86400 required")
		}
	}
	return Within("requirements", s.Requirements.Validate())
}

// isVariable reports whether name is a valid shell variable: letters, digits
// and underscores, not starting with a digit.
func isVariable(name string) bool {
	for i, c := range []byte(name) {
		letter := c == '_' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}

// IsTimeout reports whether a time limit in seconds is in range: more than 0,
// at most a year. NaN is not.
func IsTimeout(seconds float64) bool { return seconds > 0 && seconds <= maxSeconds }

// Validate checks the requirements. A capacity of 0 means 1.
func (r Requirements) Validate() error {
	switch {
	case r.Capacity < 0 || r.Capacity > MaxSlots:
		return InvalidField("capacity", "1 to 10000 required")
	case r.Type != nil && (*r.Type == "" || len(*r.Type) > 4*maxText): // a character has up to four bytes
		return InvalidField("type", "1 to 100 characters required")
	}
	return nil
}

// Validate checks the end of an execution.
func (o Outcome) Validate() error {
	switch {
	case !ExecutionTransitions.Allows(Running, o.Status) || !o.Status.Ended():
		return InvalidField("status", "not a final state of an execution")
	case o.ExitCode != nil && (*o.ExitCode < math.MinInt32 || *o.ExitCode > math.MaxInt32):
		return InvalidField("exit_code", "32 bits required")
	case o.StartedAt != nil && !IsTime(*o.StartedAt):
		return InvalidField("started_at", "a year from 1 to 9999 required")
	case !IsTime(o.CompletedAt):
		return InvalidField("completed_at", "a year from 1 to 9999 required")
	case o.LogCount < 0 || o.LogCount > MaxSequence:
		return InvalidField("log_count", "0 to 2^53 required")
	case o.LogDigest < 0:
		return InvalidField("log_digest", "at least 0 required")
	case sizeOf(o.Outputs) > MaxOutputs:
		return InvalidField("outputs", "at most 64 KiB required")
	}
	for name, value := range o.Outputs {
		if !IsOutput(name) || strings.ContainsRune(value, 0) {
			return InvalidField("outputs."+Clip(name, maxQuoted), "a name and text without NUL required")
		}
	}
	return nil
}

// IsOutput reports whether the name is one of an output: letters, digits, "_" and "-",
// no digit and no "-" first.
func IsOutput(name string) bool {
	return len(name) <= maxText && !strings.HasPrefix(name, "-") && isVariable(strings.ReplaceAll(name, "-", "_"))
}

// IsTime reports whether JSON and Postgres can represent the time.
func IsTime(t time.Time) bool { return t.UTC().Year() >= 1 && t.UTC().Year() <= 9999 }

// Validate checks a worker's report of its slots.
func (a Availability) Validate() error {
	_, known := WorkerTransitions[a.Status]
	switch {
	case a.WorkerID.IsZero():
		return InvalidField("worker_id", "required")
	case !known:
		return InvalidField("status", "not the state of a worker")
	case a.Slots < 1 || a.Slots > MaxSlots:
		return InvalidField("slots", "1 to 10000 required")
	case a.Free < 0 || a.Free > a.Slots:
		return InvalidField("free", "0 to slots required")
	case a.Revision > maxRevision:
		return InvalidField("revision", "at most 2^62 required")
	case !IsTime(a.At):
		return InvalidField("at", "a year from 1 to 9999 required")
	}
	for field, text := range map[string]string{"type": a.Type, "incarnation": a.Incarnation, "version": a.Version, "seal_key": a.SealKey} {
		if len(text) > 4*maxText || strings.ContainsRune(text, 0) {
			return InvalidField(field, "at most 100 characters without NUL required")
		}
	}
	return nil
}

// Within prefixes the field in an error of a Validate method with the name of
// its parent.
func Within(field string, err error) error {
	if invalid, ok := err.(*Error); ok && invalid.Details != nil {
		return InvalidField(field+"."+invalid.Details.Field, invalid.Details.Issue)
	}
	return err
}
