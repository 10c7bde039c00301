package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/hodei-jobs/hodei"
)

const secretColumns = `name, pipeline_id, version, created_at, updated_at, used_at`

// Sealed is the encrypted value of a secret, and what it is bound to.
type Sealed struct {
	Name       string
	PipelineID *hodei.PipelineID
	Version    int
	KeyID      *string
	Sealed     []byte
}

// Associated is the data that the value is bound to: a value in another row cannot be
// decrypted.
func (s Sealed) Associated() []byte {
	scope := ""
	if s.PipelineID != nil {
		scope = s.PipelineID.String()
	}
	return fmt.Appendf(nil, "hodei secret\x00%s\x00%s\x00%d", scope, s.Name, s.Version)
}

// SetSecret changes the value of a secret, or adds the secret. Change gets the current
// value, without data if there is none, and returns the next one, or nil to keep it.
func (db *DB) SetSecret(ctx context.Context, name string, pipeline *hodei.PipelineID, change func(Sealed) (*Sealed, error)) (s hodei.Secret, err error) {
	err = pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO secrets (id, name, pipeline_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, NewID[hodei.JobID](), name, pipeline)
		if err != nil {
			return err
		}
		const which = ` WHERE name = $1 AND coalesce(pipeline_id, '00000000-0000-0000-0000-000000000000') = coalesce($2::uuid, '00000000-0000-0000-0000-000000000000')`
		now, err := one[Sealed](ctx, tx, "read secret", "secret", name, `SELECT name, pipeline_id, version, key_id, sealed FROM secrets`+which+` FOR UPDATE`, name, pipeline)
		if err != nil {
			return err
		}
		if now.Version == 0 {
			if err := room(ctx, tx); err != nil {
				return err
			}
		}
		next, err := change(now)
		switch {
		case err != nil:
			return err
		case next == nil:
			s, err = one[hodei.Secret](ctx, tx, "read secret", "secret", name, `SELECT `+secretColumns+` FROM secrets`+which, name, pipeline)
			return err
		}
		s, err = one[hodei.Secret](ctx, tx, "set secret", "secret", name,
			`UPDATE secrets SET version = $3, key_id = $4, sealed = $5, updated_at = now(),
				created_at = CASE WHEN sealed IS NULL THEN now() ELSE created_at END, used_at = CASE WHEN sealed IS NULL THEN NULL ELSE used_at END`+which+`
			RETURNING `+secretColumns, name, pipeline, next.Version, next.KeyID, next.Sealed)
		return err
	})
	return s, failure("set secret", err)
}

// maxSecrets keeps a list of all names within one message.
const maxSecrets = 2000

func room(ctx context.Context, tx pgx.Tx) error {
	var n int
	err := tx.QueryRow(ctx, `SELECT count(*) FROM secrets WHERE sealed IS NOT NULL`).Scan(&n)
	if err == nil && n >= maxSecrets {
		return hodei.InvalidField("name", fmt.Sprintf("there are %d secrets; no more are allowed", n))
	}
	return err
}

// ListSecrets returns the general secrets and those of pipelines, or of one pipeline, by
// name.
func (db *DB) ListSecrets(ctx context.Context, pipeline *hodei.PipelineID) ([]hodei.Secret, error) {
	return all[hodei.Secret](ctx, db.pool, "list secrets",
		`SELECT `+secretColumns+` FROM secrets
		WHERE sealed IS NOT NULL AND ($1::uuid IS NULL OR pipeline_id IS NULL OR pipeline_id = $1)
		ORDER BY name, pipeline_id NULLS FIRST`, pipeline)
}

// DeleteSecret deletes the value of a secret, or returns NOT_FOUND.
func (db *DB) DeleteSecret(ctx context.Context, name string, pipeline *hodei.PipelineID) error {
	done, err := db.pool.Exec(ctx, `UPDATE secrets SET sealed = NULL, key_id = NULL, updated_at = now()
		WHERE name = $1 AND pipeline_id IS NOT DISTINCT FROM $2 AND sealed IS NOT NULL`, name, pipeline)
	if err == nil && done.RowsAffected() == 0 {
		return hodei.Missing("secret", name)
	}
	return failure("delete secret", err)
}

// UseSecrets returns the values that an execution of the pipeline receives, and records
// their versions with the execution. Names without a value are not in the answer.
func (db *DB) UseSecrets(ctx context.Context, id hodei.ExecutionID, pipeline *hodei.PipelineID, names []string) ([]Sealed, error) {
	return all[Sealed](ctx, db.pool, "use secrets",
		`WITH found AS (
			SELECT DISTINCT ON (name) id, name, pipeline_id, version, key_id, sealed FROM secrets
			WHERE name = ANY($3) AND sealed IS NOT NULL AND (pipeline_id IS NULL OR pipeline_id = $2)
			ORDER BY name, pipeline_id NULLS LAST),
		used AS (UPDATE secrets SET used_at = now() WHERE id IN (
			SELECT id FROM secrets WHERE id IN (SELECT id FROM found) AND (used_at IS NULL OR used_at < now() - interval '1 minute')
			FOR UPDATE SKIP LOCKED)),
		noted AS (UPDATE executions SET secret_versions = (SELECT jsonb_object_agg(name, version) FROM found) WHERE id = $1)
		SELECT name, pipeline_id, version, key_id, sealed FROM found`, id, pipeline, names)
}

// RotateSecrets replaces the values that another key than the named one encrypted, except
// where again returns nil. A secret that changes meanwhile is left to a repeat. It
// returns how many were replaced.
func (db *DB) RotateSecrets(ctx context.Context, keyID string, again func(Sealed) []byte) (rotated int, err error) {
	old, err := all[Sealed](ctx, db.pool, "list secrets",
		`SELECT name, pipeline_id, version, key_id, sealed FROM secrets WHERE sealed IS NOT NULL AND key_id <> $1 ORDER BY name`, keyID)
	if err != nil {
		return 0, err
	}
	for _, s := range old {
		sealed := again(s)
		if sealed == nil {
			continue
		}
		done, err := db.pool.Exec(ctx, `UPDATE secrets SET key_id = $1, sealed = $2
			WHERE name = $3 AND pipeline_id IS NOT DISTINCT FROM $4 AND version = $5 AND key_id = $6`, keyID, sealed, s.Name, s.PipelineID, s.Version, s.KeyID)
		if err != nil {
			return rotated, failure("rotate secrets", err)
		}
		rotated += int(done.RowsAffected())
	}
	return rotated, nil
}

// FindSecret returns the value of a secret that a hook or a notification of the pipeline names, or NOT_FOUND.
func (db *DB) FindSecret(ctx context.Context, pipeline hodei.PipelineID, name string) (Sealed, error) {
	return one[Sealed](ctx, db.pool, "find secret", "secret", name, `WITH found AS (
			SELECT id, name, pipeline_id, version, key_id, sealed, used_at FROM secrets
			WHERE name = $2 AND sealed IS NOT NULL AND (pipeline_id IS NULL OR pipeline_id = $1) ORDER BY pipeline_id NULLS LAST LIMIT 1),
		used AS (UPDATE secrets SET used_at = now() WHERE id IN (
			SELECT id FROM secrets WHERE id IN (SELECT id FROM found WHERE used_at IS NULL OR used_at < now() - interval '1 minute') FOR UPDATE SKIP LOCKED))
		SELECT name, pipeline_id, version, key_id, sealed FROM found`, pipeline, name)
}
