package hodei

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// Ref refers to a record as a client writes it: by its id, with the prefix or without, or by
// a name. The service that owns the record resolves it.
type Ref[K Kind] string

type (
	// PipelineRef is a pipeline's id or its slug.
	PipelineRef = Ref[pipelineKind]
	// RunRef is a run's id, or its pipeline and its number: "release#42".
	RunRef = Ref[runKind]
	// ExecutionRef is an execution's id, or a run and the key of a job in it:
	// "release#42/test", the last execution of that job.
	ExecutionRef = Ref[executionKind]
)

const (
	// SlugPattern is the regular expression of a slug.
	SlugPattern = "[a-z0-9][a-z0-9-]{0,62}"
	// PipelineRefPattern, RunRefPattern and ExecutionRefPattern are those of references.
	PipelineRefPattern  = "((pipe_)?" + UUIDPattern + "|" + SlugPattern + ")"
	RunRefPattern       = "((run_)?" + UUIDPattern + "|" + PipelineRefPattern + "#[1-9][0-9]{0,8})"
	ExecutionRefPattern = "((exec_)?" + UUIDPattern + "|" + RunRefPattern + "/.{1,1000})"
)

var (
	slugs        = regexp.MustCompile("^" + SlugPattern + "$")
	numberedRuns = regexp.MustCompile("^" + PipelineRefPattern + "#[1-9][0-9]{0,8}$")
	// Compiled at its first use: it takes milliseconds, and each command of the CLI is a process.
	executionRefs = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile("^" + ExecutionRefPattern + "$") })
)

// RefTo returns a reference to the record with the id.
func RefTo[K Kind](id ID[K]) Ref[K] { return Ref[K](id.String()) }

// Noun returns the name of the record that the reference is for.
func (r Ref[K]) Noun() string { var k K; return k.Noun() }

// ID returns the id, or false when the reference is a name.
func (r Ref[K]) ID() (ID[K], bool) {
	id, err := ParseID[K](string(r))
	return id, err == nil
}

// Missing is the error for a reference to a record that does not exist.
func (r Ref[K]) Missing() *Error { return Missing(r.Noun(), string(r)) }

// Unknown is the error for a reference, in a field of a body or a query, that is neither an
// id nor the name of a record.
func (r Ref[K]) Unknown(field string) error {
	err := InvalidField(field, "UUID format required")
	name := "name"
	if r.Noun() == (PipelineID{}).Noun() {
		name = "slug"
	}
	err.Message = fmt.Sprintf("%s: no %s has the %s %q", err.Message, r.Noun(), name, Clip(string(r), maxQuoted))
	return err
}

// IsSlug reports whether a pipeline can have the text as its slug. What reads as an id is
// none.
func IsSlug(text string) bool {
	_, isID := PipelineRef(text).ID()
	return !isID && slugs.MatchString(text)
}

// Numbered splits a reference to a run such as "release#42". ok is false for any other.
func Numbered(r RunRef) (pipeline PipelineRef, number int, ok bool) {
	if !numberedRuns.MatchString(string(r)) {
		return "", 0, false
	}
	name, digits, _ := strings.Cut(string(r), "#")
	number, err := strconv.Atoi(digits)
	return PipelineRef(name), number, err == nil
}

// JobInRun splits a reference to an execution such as "release#42/test". ok is false for any
// other.
func JobInRun(r ExecutionRef) (run RunRef, key string, ok bool) {
	name, key, cut := strings.Cut(string(r), "/")
	if !cut || !executionRefs().MatchString(string(r)) {
		return "", "", false
	}
	return RunRef(name), key, true
}
