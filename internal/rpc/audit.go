package rpc

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
)

// audit writes the record of a request of a caller that changed something, or was refused,
// unless it was written together with the change. The service that the caller asked writes
// it, not those behind it.
func (s *Service) audit(ctx context.Context, op *schemas.Op, body []byte, err error) {
	caller, known := hodei.CallerOf(ctx)
	if !known || s.cfg.Audit == nil || caller.Op != op.Name || err == nil && hodei.IsRecorded(ctx) {
		return
	}
	if !changes(op) && !errors.Is(err, hodei.Forbidden) {
		return
	}
	outcome := hodei.AuditOK
	if err != nil {
		outcome = string(s.visible(ctx, err).Code)
	}
	noun, id := recordOf(op, body)
	ctx = context.WithoutCancel(ctx) // the caller may have left
	if err := s.cfg.Audit(ctx, caller.Audited(op.Name, noun, id, outcome)); err != nil {
		s.cfg.Log.ErrorContext(ctx, "audit record not written", "op", op.Name, "request_id", caller.RequestID, "token_id", caller.ID,
			"outcome", outcome, "err", err)
	}
}

// changes reports whether an operation of people changes something.
func changes(op *schemas.Op) bool {
	return slices.Contains(hodei.Roles, op.Role) && op.Role != hodei.Viewer && op.Method != "GET"
}

// recordOf returns the record that the request names, as far as it does.
func recordOf(op *schemas.Op, body []byte) (noun, id string) {
	noun, _, dotted := strings.Cut(op.Name, ".")
	var names struct {
		ID, Slug, Name string
		ExecutionID    string `json:"execution_id"`
	}
	if json.Unmarshal(body, &names) != nil || !dotted { // a request that is not valid names nothing
		return "", ""
	}
	if !strings.Contains(op.Path, "{name}") { // elsewhere a name is no key
		names.Name = ""
	}
	for _, name := range []string{names.ID, names.Slug, names.Name} {
		if name != "" {
			return strings.TrimSuffix(noun, "s"), name
		}
	}
	if names.ExecutionID != "" {
		return "execution", names.ExecutionID
	}
	return "", ""
}
