package access

import (
	"context"
	"errors"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/postgres"
	"github.com/hodei-jobs/hodei/schemas"
)

func (s *Service) listAudit(ctx context.Context, req schemas.ListAuditRequest) (schemas.List[hodei.AuditRecord], error) {
	items, next, err := s.db.ListAudit(ctx, postgres.AuditFilter{
		TokenIDs: req.TokenID, Name: req.Name, Operations: req.Operation, Outcomes: req.Outcome, Resources: req.ResourceID,
		Created: postgres.Between{From: req.CreatedAfter, To: req.CreatedBefore},
	}, postgres.Page{Cursor: req.Cursor, Size: req.Size()})
	return schemas.List[hodei.AuditRecord]{Items: items, NextCursor: next}, err
}

// refused records that a token was not accepted, and returns the error for the caller. The edge
// limits how often one address can cause such a record.
func (s *Service) refused(ctx context.Context, op *schemas.Op, t hodei.Token, from string, err error) error {
	if errors.Is(err, hodei.Unauthenticated) {
		caller := hodei.Caller{Kind: hodei.CallerUnknown, From: from}
		if !t.ID.IsZero() { // it has expired
			caller = callerOf(t, hodei.CallerToken, from)
		}
		s.write(ctx, caller, op, string(hodei.Unauthenticated))
	}
	return err
}

// write writes a record of the audit log that belongs to no change.
func (s *Service) write(ctx context.Context, caller hodei.Caller, op *schemas.Op, outcome string) {
	caller.RequestID = rpc.RequestID(ctx)
	if err := s.db.Audit(ctx, caller.Audited(op.Name, "", "", outcome)); err != nil {
		s.log.ErrorContext(ctx, "audit record not written", "op", op.Name, "request_id", caller.RequestID, "outcome", outcome, "err", err)
	}
}

// retainBatch is how many records one statement deletes.
const retainBatch = 1000

func (s *Service) deleteOldAudit(ctx context.Context) error {
	for s.auditKept > 0 && ctx.Err() == nil {
		deleted, err := s.db.DeleteOldAudit(ctx, s.auditKept, retainBatch)
		if err != nil || deleted < retainBatch {
			return err
		}
	}
	return nil
}
