package hodei

import (
	"bytes"
	"encoding/json"
	"errors"
)

// Graph is a job's place in its pipeline: its predecessors, whether it
// runs, and how often. Executions do not carry it.
type Graph struct {
	// Key names the job in needs, runs and logs; unique within its pipeline.
	Key string `json:"key,omitempty" db:"-" file:"-" jsonschema:"maxLength=63,pattern=^[A-Za-z0-9_][A-Za-z0-9_-]*$"`
	// Finally is true of a job that runs after all others have ended.
	Finally bool `json:"finally,omitempty" db:"-" file:"-"`
	// Needs are the jobs that must end before this one starts.
	Needs []Need `json:"needs,omitempty" db:"-" jsonschema:"maxItems=1000"`
	// When is the outcome of the needs, or for a job in finally of the run, with
	// which the job runs.
	When When `json:"when,omitempty" db:"-" file:",default=success" jsonschema:"enum=success,enum=failure,enum=always"`
	// If must hold once the needs have ended; otherwise the job is skipped with
	// reason CONDITION.
	If Conditions `json:"if,omitempty" db:"-"`
	// Matrix runs the job once for each combination of values.
	Matrix *Matrix `json:"matrix,omitempty" db:"-"`
	// AllowFailure makes a failure of the job count as success. The job itself
	// stays FAILED.
	AllowFailure AllowFailure `json:"allow_failure,omitzero" db:"-"`
	// Approval blocks the job until a person approves it.
	Approval *Gate `json:"approval,omitempty" db:"-"`
	// Pipeline starts another pipeline in place of a command.
	Pipeline *Call `json:"pipeline,omitempty" db:"-"`
}

// When is the outcome of its needs with which a job runs.
type When string

const (
	// WhenSuccess, the default, needs every need to have succeeded: COMPLETED, skipped
	// by its own condition, or failed with allow_failure.
	WhenSuccess When = "success"
	// WhenFailure needs at least one need, however far upstream, not to have succeeded.
	WhenFailure When = "failure"
	// WhenAlways accepts every outcome.
	WhenAlways When = "always"
)

// Condition is the outcome with which the job runs: the default, success, or always
// for a job in finally, where none is given.
func (g Graph) Condition() When {
	switch {
	case g.When != "":
		return g.When
	case g.Finally:
		return WhenAlways
	}
	return WhenSuccess
}

// Need is a job that another one waits for. In JSON it is the key of the job, or
// an object.
type Need struct {
	// Job is the key of the job.
	Job string `json:"job" file:",short" jsonschema:"required,minLength=1,maxLength=63"`
	// Artifacts is false if the execution does not receive the artifacts of the job.
	Artifacts *bool `json:"artifacts,omitempty" jsonschema:"default=true"`
}

// MarshalJSON writes the key of the job where nothing else is given.
func (n Need) MarshalJSON() ([]byte, error) {
	if n.Artifacts == nil {
		return JSON(n.Job)
	}
	type plain Need
	return JSON(plain(n))
}

// UnmarshalJSON reads a key or an object.
func (n *Need) UnmarshalJSON(data []byte) error {
	if *n = (Need{}); isText(data) {
		return json.Unmarshal(data, &n.Job)
	}
	type plain Need
	return json.Unmarshal(data, (*plain)(n))
}

// Conditions hold when one of them does; an empty list holds. In JSON a single
// condition may stand without the list.
type Conditions []Condition

// Condition holds when each of its values matches. Keys are params.NAME,
// matrix.AXIS, needs.JOB.outputs.NAME, run.FIELD and changes.
type Condition map[string]Globs

// MarshalJSON writes a single condition without a list.
func (c Conditions) MarshalJSON() ([]byte, error) {
	if len(c) == 1 {
		return JSON(c[0])
	}
	return JSON([]Condition(c))
}

// UnmarshalJSON reads a condition or a list of them.
func (c *Conditions) UnmarshalJSON(data []byte) error {
	if data = bytes.TrimSpace(data); len(data) > 0 && data[0] == '{' {
		*c = make(Conditions, 1)
		return json.Unmarshal(data, &(*c)[0])
	}
	return json.Unmarshal(data, (*[]Condition)(c))
}

// Globs matches a value that one of the patterns without a leading "!" matches, or
// that no pattern with one does; see Match. In JSON a single pattern may stand
// without the list.
type Globs []Scalar

// MarshalJSON writes a single pattern without a list.
func (g Globs) MarshalJSON() ([]byte, error) {
	if len(g) == 1 {
		return JSON(g[0])
	}
	return JSON([]Scalar(g))
}

// UnmarshalJSON reads a pattern or a list of them.
func (g *Globs) UnmarshalJSON(data []byte) error {
	if data = bytes.TrimSpace(data); len(data) > 0 && data[0] != '[' {
		*g = make(Globs, 1)
		return json.Unmarshal(data, &(*g)[0])
	}
	return json.Unmarshal(data, (*[]Scalar)(g))
}

// Scalar is the text of a string, a number or a boolean, as it was written: 1.30
// stays 1.30.
type Scalar string

// UnmarshalJSON reads a string, a number or a boolean.
func (s *Scalar) UnmarshalJSON(data []byte) error {
	switch data = bytes.TrimSpace(data); {
	case isText(data):
		return json.Unmarshal(data, (*string)(s))
	case len(data) > 0 && (data[0] == '{' || data[0] == '[' || data[0] == 'n'):
		return errors.New("a string, a number or a boolean is required")
	}
	*s = Scalar(data)
	return nil
}

// isText reports whether the JSON is a string.
func isText(data []byte) bool {
	data = bytes.TrimSpace(data)
	return len(data) > 0 && data[0] == '"'
}

// AllowFailure selects the failures of a job that count as success: any of them, or
// those with one of the exit codes. In JSON it is true, false or an object.
type AllowFailure struct {
	Any       bool  `json:"-" file:",short"`
	ExitCodes []int `json:"exit_codes,omitempty" jsonschema:"minItems=1,maxItems=256"`
}

// IsZero reports whether no failure is allowed.
func (a AllowFailure) IsZero() bool { return !a.Any && len(a.ExitCodes) == 0 }

// MarshalJSON writes true, false or the exit codes.
func (a AllowFailure) MarshalJSON() ([]byte, error) {
	if len(a.ExitCodes) == 0 {
		return JSON(a.Any)
	}
	type plain AllowFailure
	return JSON(plain(a))
}

// UnmarshalJSON reads true, false, null or the exit codes.
func (a *AllowFailure) UnmarshalJSON(data []byte) error {
	*a = AllowFailure{}
	if data = bytes.TrimSpace(data); len(data) > 0 && data[0] != '{' {
		return json.Unmarshal(data, &a.Any)
	}
	type plain AllowFailure
	return json.Unmarshal(data, (*plain)(a))
}

// Gate is the approval that a job needs before it starts. The time that it waits
// counts toward no timeout.
type Gate struct {
	// Message is the question to the person who approves.
	Message string `json:"message,omitempty" jsonschema:"maxLength=1000"`
	// TimeoutSeconds is how long the job waits for an answer before it fails with
	// APPROVAL_TIMEOUT; null means for ever.
	TimeoutSeconds *float64 `json:"timeout_seconds,omitempty" file:"timeout,duration" jsonschema:"exclusiveMinimum=0,maximum=31536000"`
}

// Call starts another pipeline and takes its outcome.
type Call struct {
	// Slug names the pipeline.
	Slug string `json:"slug" jsonschema:"required,minLength=1,maxLength=63"`
	// Params are the values of its params.
	Params map[string]Scalar `json:"params,omitempty"`
	// Ref is the branch, tag or commit of its source.
	Ref string `json:"ref,omitempty" jsonschema:"maxLength=1000"`
	// Wait, where false, completes the job as soon as the run has been created.
	Wait *bool `json:"wait,omitempty" jsonschema:"default=true"`
}

// Waits reports whether the job takes the outcome of the run that it starts.
func (c Call) Waits() bool { return c.Wait == nil || *c.Wait }
