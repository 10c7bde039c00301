package rpc

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/nats-io/nats.go/micro"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
)

// identify returns ctx with the caller of a request.
//
// The program where the request entered the system has authenticated the caller and
// announces it in a header. The header can be believed because NATS lets only Hodei's own
// services publish on the subjects of operations: what a client sends over HTTP never
// becomes a header here. It can only take rights away, since a request without it is one of
// a service itself. docs/adr/0026 has what people and workers on NATS need.
func identify(ctx context.Context, op *schemas.Op, req micro.Request) (context.Context, error) {
	text := req.Headers().Get(schemas.HeaderCaller)
	if text == "" || op.ByWorker {
		return ctx, nil
	}
	var caller hodei.Caller
	if err := json.Unmarshal([]byte(text), &caller); err != nil || caller.Role == "" {
		return ctx, hodei.Errorf(hodei.Unauthenticated, "%s is not a caller", schemas.HeaderCaller)
	}
	caller.RequestID = RequestID(ctx)
	ctx = hodei.WithCaller(ctx, caller)
	return ctx, Allow(ctx, op)
}

// Allow returns FORBIDDEN unless the caller of ctx may use the operation. Operations of
// services and workers are not compared with it: the service that asks acts for itself, and
// was checked when it was asked.
func Allow(ctx context.Context, op *schemas.Op) error {
	caller, known := hodei.CallerOf(ctx)
	if !known || !slices.Contains(hodei.Roles, op.Role) || caller.Role.Includes(op.Role) {
		return nil
	}
	return hodei.Errorf(hodei.Forbidden, "%s needs the role %s; yours is %s", op.Name, op.Role, caller.Role)
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
