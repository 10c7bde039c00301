package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/postgres"
)

// by returns a context of a request.
func by(t *testing.T, op string) context.Context {
	id := postgres.NewID[hodei.TokenID]()
	return hodei.WithCaller(t.Context(), hodei.Caller{
		Kind: hodei.CallerToken, ID: &id, Name: "ana", Role: hodei.Operator, From: "10.0.0.7", Op: op, RequestID: "req_1",
	})
}

func auditLog(t *testing.T, db *postgres.DB) []hodei.AuditRecord {
	records, _, err := db.ListAudit(t.Context(), postgres.AuditFilter{}, postgres.Page{Size: 100})
	require.NoError(t, err)
	return records
}

// A change and its record are committed together: where the change fails there is no record,
// and where the record cannot be written there is no change.
func TestAChangeIsCommittedWithItsRecord(t *testing.T) {
	t.Parallel()
	db, _ := open(t)
	ctx := by(t, "pipelines.create")
	slug := "shop"
	p, err := db.CreatePipeline(ctx, hodei.Pipeline{Name: "shop", Slug: &slug})
	require.NoError(t, err)
	require.True(t, hodei.IsRecorded(ctx))
	records := auditLog(t, db)
	require.Len(t, records, 1)
	r := records[0]
	require.Equal(t, []any{"ana", "pipelines.create", p.ID.String(), "OK", "10.0.0.7", "req_1", hodei.Operator},
		[]any{r.Name, r.Operation, *r.ResourceID, r.Outcome, r.Address, r.RequestID, *r.Role})

	ctx = by(t, "pipelines.create")
	_, err = db.CreatePipeline(ctx, hodei.Pipeline{Name: "another", Slug: &slug})
	require.ErrorIs(t, err, hodei.Conflict)
	require.False(t, hodei.IsRecorded(ctx))
	require.Len(t, auditLog(t, db), 1)

	broken := hodei.WithCaller(t.Context(), hodei.Caller{Kind: hodei.CallerToken, Name: "\x00", Role: hodei.Operator, Op: "pipelines.delete"})
	require.Error(t, db.DeletePipeline(broken, p.ID), "NUL cannot be recorded")
	_, err = db.GetPipeline(t.Context(), p.ID)
	require.NoError(t, err)
	require.NoError(t, db.DeletePipeline(by(t, "pipelines.delete"), p.ID))
	require.Len(t, auditLog(t, db), 2)
}

// Executions are created many at a time, for callers and for services alike: each caller's
// has its record.
func TestExecutionsCreatedTogetherHaveTheirRecords(t *testing.T) {
	t.Parallel()
	db, _ := open(t)
	const callers = 40
	later := time.Now().Add(time.Hour)
	done := make(chan error, callers)
	for i := range callers {
		go func() {
			ctx := t.Context()
			if i%2 == 0 {
				ctx = by(t, "execute")
			}
			draft := hodei.Execution{Spec: spec("true")}
			if i%4 < 2 { // some are to start later
				draft.NotBefore = &later
			}
			e, err := db.CreateExecution(ctx, draft)
			if err == nil && (e.StartedBy != nil) != (i%2 == 0) {
				err = hodei.Errorf(hodei.Internal, "started by %v", e.StartedBy)
			}
			done <- err
		}()
	}
	for range callers {
		require.NoError(t, <-done)
	}
	records := auditLog(t, db)
	require.Len(t, records, callers/2)
	for _, r := range records {
		var id hodei.ExecutionID
		require.NoError(t, id.UnmarshalText([]byte(*r.ResourceID)))
	}
}

func TestOldAuditRecordsAreDeleted(t *testing.T) {
	t.Parallel()
	db, _ := open(t)
	for range 3 {
		require.NoError(t, db.Audit(t.Context(), hodei.Caller{Kind: hodei.CallerUnknown}.Audited("access.authenticate", "", "", "UNAUTHENTICATED")))
	}
	deleted, err := db.DeleteOldAudit(t.Context(), time.Hour, 10)
	require.NoError(t, err)
	require.Zero(t, deleted)
	deleted, err = db.DeleteOldAudit(t.Context(), 0, 2)
	require.NoError(t, err)
	require.Equal(t, 2, deleted)
	require.Len(t, auditLog(t, db), 1)
}
