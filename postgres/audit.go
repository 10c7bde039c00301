package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hodei-jobs/hodei"
)

// insertAudit inserts records: insertRecord one by itself, auditOfExecutions those of a batch.
const (
	insertAudit  = `INSERT INTO audit (id, kind, token_id, name, role, address, operation, resource, resource_id, outcome, request_id) `
	insertRecord = insertAudit + `VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`
)

// valuesOf returns the columns of insertAudit.
func valuesOf(r hodei.AuditRecord) []any {
	return []any{r.ID, r.Kind, r.TokenID, r.Name, r.Role, r.Address, r.Operation, r.Resource, r.ResourceID, r.Outcome, r.RequestID}
}

// columnsOf returns the columns of insertAudit as one array each.
func columnsOf(records []hodei.AuditRecord) []any {
	n := len(records)
	ids, kinds, tokens, names, roles := make([]hodei.AuditID, n), make([]hodei.CallerKind, n), make([]*hodei.TokenID, n), make([]string, n), make([]*hodei.Role, n)
	addresses, operations, resources, resourceIDs := make([]string, n), make([]string, n), make([]*string, n), make([]*string, n)
	outcomes, requests := make([]string, n), make([]string, n)
	for i, r := range records {
		ids[i], kinds[i], tokens[i], names[i], roles[i] = r.ID, r.Kind, r.TokenID, r.Name, r.Role
		addresses[i], operations[i], resources[i], resourceIDs[i] = r.Address, r.Operation, r.Resource, r.ResourceID
		outcomes[i], requests[i] = r.Outcome, r.RequestID
	}
	return []any{ids, kinds, tokens, names, roles, addresses, operations, resources, resourceIDs, outcomes, requests}
}

// cause is the record of the request that ctx belongs to, nil if there is none to write: the
// caller is not known, or the record is written already.
func cause(ctx context.Context, noun, id string) *hodei.AuditRecord {
	caller, known := hodei.CallerOf(ctx)
	if !known || hodei.IsRecorded(ctx) {
		return nil
	}
	record := caller.Audited(caller.Op, noun, id, hodei.AuditOK)
	record.ID = NewID[hodei.AuditID]()
	return &record
}

// transact runs fn in a transaction, and records in the same one the request that caused the
// change of the named record.
func (db *DB) transact(ctx context.Context, noun, id string, fn func(pgx.Tx) error) error {
	record := cause(ctx, noun, id)
	err := pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
		if err := fn(tx); err != nil || record == nil {
			return err
		}
		_, err := tx.Exec(ctx, insertRecord, valuesOf(*record)...)
		return err
	})
	if err == nil && record != nil {
		hodei.MarkRecorded(ctx)
	}
	return err
}

// queueRecord records the request that caused the change of the named record with the other
// statements of a batch.
func queueRecord(ctx context.Context, b *pgx.Batch, noun, id string) {
	if record := cause(ctx, noun, id); record != nil {
		b.Queue(insertRecord, valuesOf(*record)...)
		hodei.MarkRecorded(ctx) // a commit that fails is an error, which is recorded by itself
	}
}

// changeOne is one for a statement that changes the named record. Without a caller it is
// that statement alone.
func changeOne[T any](ctx context.Context, db *DB, act, noun, id, sql string, args ...any) (v T, err error) {
	if cause(ctx, noun, id) == nil {
		return one[T](ctx, db.pool, act, noun, id, sql, args...)
	}
	err = db.transact(ctx, noun, id, func(tx pgx.Tx) (err error) {
		v, err = one[T](ctx, tx, act, noun, id, sql, args...)
		return err
	})
	return v, failure(act, err)
}

// Audit writes a record by itself, of a request that changed nothing here. It does not wait
// for the disk.
func (db *DB) Audit(ctx context.Context, record hodei.AuditRecord) error {
	record.ID = NewID[hodei.AuditID]()
	_, err := db.lazy.Exec(ctx, insertRecord, valuesOf(record)...)
	return failure("write audit record", err)
}

// AuditFilter selects records of the audit log; nil and empty select all.
type AuditFilter struct {
	TokenIDs                        []hodei.TokenID
	Operations, Outcomes, Resources []string // Resources are ids
	Name                            string
	Created                         Between
}

// ListAudit returns a page of the audit log, newest first.
func (db *DB) ListAudit(ctx context.Context, f AuditFilter, p Page) ([]hodei.AuditRecord, *string, error) {
	return list(p, func(r hodei.AuditRecord) hodei.AuditID { return r.ID }, func(from *hodei.AuditID, limit int) ([]hodei.AuditRecord, error) {
		return all[hodei.AuditRecord](ctx, db.pool, "list audit log",
			`SELECT id, at, kind, token_id, name, role, address, operation, resource, resource_id, outcome, request_id FROM audit
			WHERE ($1::uuid IS NULL OR id < $1) AND ($2::uuid[] IS NULL OR token_id = ANY($2)) AND ($3::text[] IS NULL OR operation = ANY($3))
				AND ($4::text[] IS NULL OR outcome = ANY($4)) AND ($5::text[] IS NULL OR resource_id = ANY($5)) AND ($6 = '' OR name = $6)
				AND ($7::timestamptz IS NULL OR at >= $7) AND ($8::timestamptz IS NULL OR at < $8)
			ORDER BY id DESC LIMIT $9`,
			from, f.TokenIDs, f.Operations, f.Outcomes, f.Resources, f.Name, f.Created.From, f.Created.To, limit)
	})
}

// DeleteOldAudit deletes at most limit records older than age, and returns their number.
func (db *DB) DeleteOldAudit(ctx context.Context, age time.Duration, limit int) (int, error) {
	tag, err := db.pool.Exec(ctx, `DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < now() - $1::interval ORDER BY at LIMIT $2)`, age, limit)
	return int(tag.RowsAffected()), failure("delete old audit log", err)
}
