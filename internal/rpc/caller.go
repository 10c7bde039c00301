package rpc

import (
	"context"
	"encoding/json"
	"slices"
	"sync"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
)

// identify returns ctx with the caller of a request.
//
// The program where the request entered the system has authenticated the caller and
// announces it in a header. The header can be believed because NATS lets only Hodei's own
// services publish on the subjects of operations: what a client sends over HTTP never
// becomes a header here. It can only take rights away, since a request without it is one of
// a service itself. Requests of people on NATS arrive elsewhere, see identifyPerson.
func (s *Service) identify(ctx context.Context, op *schemas.Op, req received) (context.Context, error) {
	if person, ok := req.(fromPerson); ok {
		return s.identifyPerson(ctx, op, person)
	}
	text := req.Headers().Get(schemas.HeaderCaller)
	if text == "" || op.ByWorker {
		return ctx, nil
	}
	caller, ok := s.callers.decode(text)
	if !ok {
		return ctx, hodei.Errorf(hodei.Unauthenticated, "%s is not a caller", schemas.HeaderCaller)
	}
	caller.RequestID = RequestID(ctx)
	ctx = hodei.WithCaller(ctx, caller)
	return ctx, Allow(ctx, op)
}

// callersKept bounds the callers that a service remembers, about 500 bytes each.
const callersKept = 4096

// callers remembers decoded headers. Decoding one costs 4 % of a request that reads, and a
// caller sends the same one with each request for an operation.
type callers struct {
	mu    sync.Mutex
	known map[string]hodei.Caller
}

// decode returns the caller of a header, or false if the text is none.
func (c *callers) decode(text string) (hodei.Caller, bool) {
	c.mu.Lock()
	caller, ok := c.known[text]
	c.mu.Unlock()
	if ok {
		return caller, true
	}
	if err := json.Unmarshal([]byte(text), &caller); err != nil || caller.Role == "" {
		return caller, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known == nil || len(c.known) >= callersKept {
		c.known = map[string]hodei.Caller{}
	}
	c.known[text] = caller
	return caller, true
}

// Allow returns FORBIDDEN unless the caller of ctx may use the operation. Operations of
// services and workers are not compared with it: the service that asks acts for itself, and
// was checked when it was asked.
func Allow(ctx context.Context, op *schemas.Op) error {
	caller, known := hodei.CallerOf(ctx)
	switch {
	case !known || !slices.Contains(hodei.Roles, op.Role):
		return nil
	case !caller.Role.Includes(op.LeastRole()):
		return needsRole(op, caller)
	case limited(caller, op) && op.Limit == schemas.LimitRefused:
		return notLimited(op)
	}
	return nil
}

func needsRole(op *schemas.Op, caller hodei.Caller) error {
	return hodei.Errorf(hodei.Forbidden, "%s needs the role %s; yours is %s", op.Name, op.Role, caller.Role)
}

// admit is the part of Allow that depends on the request: FORBIDDEN if the request needs a
// higher role than another of the operation, NOT_FOUND if it names a record outside the
// pipelines to which the caller is limited, as if the record did not exist.
func (s *Service) admit(ctx context.Context, op *schemas.Op, request any) error {
	caller, known := hodei.CallerOf(ctx)
	switch {
	case !known || !slices.Contains(hodei.Roles, op.Role):
		return nil
	case !caller.Role.Includes(op.RoleFor(request)):
		return needsRole(op, caller)
	case op.RoleFor(request) != op.Role:
		hodei.MarkRecorded(ctx) // it changes nothing, so the audit log needs no record
	}
	if !limited(caller, op) || op.Limit == schemas.LimitOwn || op.Limit == schemas.LimitNone {
		return nil
	}
	return s.confine(ctx, op, caller, request)
}

// limited reports whether the caller asks for the operation itself, and may do so for
// certain pipelines only. What a service asks for in order to answer is not limited.
func limited(caller hodei.Caller, op *schemas.Op) bool {
	return len(caller.Pipelines) > 0 && (caller.Op == "" || caller.Op == op.Name)
}

func notLimited(op *schemas.Op) error {
	return hodei.Errorf(hodei.Forbidden, "Your token is limited to certain pipelines, and %s to none of them", op.Name)
}

func (s *Service) confine(ctx context.Context, op *schemas.Op, caller hodei.Caller, request any) error {
	records := op.Records(request)
	if len(records) == 0 || s.cfg.PipelineOf == nil {
		return notLimited(op)
	}
	for _, r := range records {
		of, err := s.cfg.PipelineOf(ctx, r.Noun, r.Ref)
		if err != nil {
			return err
		}
		if !caller.MayUse(of) {
			return hodei.Missing(r.Noun, r.Ref)
		}
	}
	return nil
}

// callerHeader is the caller of ctx for the next service, "" without one.
func callerHeader(ctx context.Context, op *schemas.Op) string {
	caller, known := hodei.CallerOf(ctx)
	if !known {
		return ""
	}
	if caller.Op == "" {
		caller.Op = op.Name
	}
	text, _ := hodei.JSON(caller) // strings and ids always encode
	return string(text)
}
