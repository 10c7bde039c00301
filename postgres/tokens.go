package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hodei-jobs/hodei"
)

const tokenColumns = `t.id, t.name, t.role, t.pipelines, t.subject, t.created_by, t.created_at, t.expires_at, t.last_used_at, t.uses_left, t.needs_approval`

// CreateToken inserts a token with the name, role, limit and expiry of the draft. hash is the
// SHA-256 of its text.
func (db *DB) CreateToken(ctx context.Context, draft hodei.Token, hash []byte) (hodei.Token, error) {
	id := NewID[hodei.TokenID]()
	return changeOne[hodei.Token](ctx, db, "create token", "token", id.String(),
		`INSERT INTO tokens AS t (id, hash, name, role, created_by, expires_at, pipelines, subject, uses_left, needs_approval)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING `+tokenColumns,
		id, hash, draft.Name, draft.Role, draft.CreatedBy, draft.ExpiresAt, draft.Pipelines, draft.Subject, draft.UsesLeft, draft.NeedsApproval)
}

// CallerKey returns the key that authenticates callers on NATS. It never changes, so it is
// read once.
func (db *DB) CallerKey(ctx context.Context) ([]byte, error) {
	if key := db.callerKey.Load(); key != nil {
		return *key, nil
	}
	var key []byte
	if err := db.pool.QueryRow(ctx, `SELECT key FROM caller_key`).Scan(&key); err != nil {
		return nil, failure("read the key of callers", err)
	}
	db.callerKey.Store(&key)
	return key, nil
}

// ValidTokens returns those of the tokens that exist and have not expired.
func (db *DB) ValidTokens(ctx context.Context, ids []hodei.TokenID) ([]hodei.TokenID, error) {
	rows, err := all[struct{ ID hodei.TokenID }](ctx, db.pool, "find valid tokens",
		`SELECT id FROM tokens WHERE id = ANY($1) AND (expires_at IS NULL OR expires_at > now())`, ids)
	valid := make([]hodei.TokenID, 0, len(rows))
	for _, row := range rows {
		valid = append(valid, row.ID)
	}
	return valid, err
}

// ListTokens returns a page of tokens, newest first, and the cursor of the next page.
func (db *DB) ListTokens(ctx context.Context, p Page) ([]hodei.Token, *string, error) {
	return list(p, func(t hodei.Token) hodei.TokenID { return t.ID }, func(from *hodei.TokenID, limit int) ([]hodei.Token, error) {
		return all[hodei.Token](ctx, db.pool, "list tokens",
			`SELECT `+tokenColumns+` FROM tokens t WHERE ($1::uuid IS NULL OR t.id < $1) ORDER BY t.id DESC LIMIT $2`, from, limit)
	})
}

// DeleteToken deletes a token and its sessions, or returns NOT_FOUND.
func (db *DB) DeleteToken(ctx context.Context, id hodei.TokenID) error {
	_, err := changeOne[struct{ ID hodei.TokenID }](ctx, db, "delete token", "token", id.String(), `DELETE FROM tokens WHERE id = $1 RETURNING id`, id)
	return err
}

// TokenByHash returns the token, expired or not, or NOT_FOUND. It records the use, at most
// once a minute and without waiting for the disk.
func (db *DB) TokenByHash(ctx context.Context, hash []byte) (hodei.Token, error) {
	return one[hodei.Token](ctx, db.lazy, "find token", "token", "",
		`WITH t AS (SELECT * FROM tokens WHERE hash = $1),
		used AS (UPDATE tokens SET last_used_at = now() WHERE id = (SELECT id FROM t)
			AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute'))
		SELECT `+tokenColumns+` FROM t`, hash)
}

const (
	// SessionLife is the longest life of a session, SessionIdle how long it lasts unused.
	SessionLife = 7 * 24 * time.Hour
	SessionIdle = 12 * time.Hour
	// LinkLife is how long a sign-in link can be used.
	LinkLife = 15 * time.Minute
)

// CreateSession records a session, or a sign-in link, of a token that is valid, and returns
// when it ends. It does not outlive its token.
func (db *DB) CreateSession(ctx context.Context, token hodei.TokenID, hash []byte, link bool) (ends time.Time, err error) {
	life := SessionLife
	if link {
		life = LinkLife
	}
	err = db.pool.QueryRow(ctx,
		`INSERT INTO sessions (hash, token_id, link, expires_at)
		SELECT $2, id, $3, least(now() + $4::interval, expires_at) FROM tokens WHERE id = $1 AND (expires_at IS NULL OR expires_at > now())
		RETURNING expires_at`, token, hash, link, life).Scan(&ends)
	if errors.Is(err, pgx.ErrNoRows) {
		return ends, hodei.Missing("token", token.String())
	}
	return ends, failure("create session", err)
}

// UseLink deletes a sign-in link and returns its token, or NOT_FOUND. Of two callers one
// succeeds.
func (db *DB) UseLink(ctx context.Context, hash []byte) (hodei.Token, error) {
	return one[hodei.Token](ctx, db.pool, "use sign-in link", "sign-in link", "",
		`WITH s AS (DELETE FROM sessions WHERE hash = $1 AND link AND expires_at > now() RETURNING token_id)
		SELECT `+tokenColumns+` FROM tokens t JOIN s ON t.id = s.token_id WHERE t.expires_at IS NULL OR t.expires_at > now()`, hash)
}

// SessionByHash returns the token of a session that has not ended, and when it ends, or
// NOT_FOUND. Each use, recorded at most once a minute, prolongs the session.
func (db *DB) SessionByHash(ctx context.Context, hash []byte) (hodei.Token, time.Time, error) {
	found, err := one[struct {
		hodei.Token
		Ends time.Time `db:"ends"`
	}](ctx, db.lazy, "find session", "session", "",
		`WITH s AS (SELECT * FROM sessions WHERE hash = $1 AND NOT link AND expires_at > now() AND last_used_at > now() - $2::interval),
		used AS (UPDATE sessions SET last_used_at = now() WHERE hash = (SELECT hash FROM s) AND last_used_at < now() - interval '1 minute')
		SELECT `+tokenColumns+`, least(s.expires_at, now() + $2::interval) AS ends FROM tokens t JOIN s ON t.id = s.token_id
		WHERE t.expires_at IS NULL OR t.expires_at > now()`, hash, SessionIdle)
	return found.Token, found.Ends, err
}

// childless is true of a token t from which no other came. The token that was made for a session
// has no text, so it is of no use once that has ended. It stays while a token of the command line
// came from it: an administrator who revokes it revokes that too.
const childless = `NOT EXISTS (SELECT FROM tokens c WHERE c.parent_id = t.id)`

// DeleteSession ends a session, and the token that was made for it alone, if that is childless.
// It succeeds if there is none.
func (db *DB) DeleteSession(ctx context.Context, hash []byte) error {
	_, err := db.pool.Exec(ctx, `WITH s AS (DELETE FROM sessions WHERE hash = $1 RETURNING token_id)
		DELETE FROM tokens t USING s WHERE t.id = s.token_id AND t.subject IS NOT NULL AND `+childless, hash)
	return failure("delete session", err)
}

// ForgetSessions deletes the sessions that have ended, the childless tokens made for them, and the tokens that expired
// more than age ago.
func (db *DB) ForgetSessions(ctx context.Context, age time.Duration) error {
	_, err := db.pool.Exec(ctx, `DELETE FROM sessions WHERE expires_at < now() OR NOT link AND last_used_at < now() - $1::interval`, SessionIdle)
	if err == nil {
		_, err = db.pool.Exec(ctx, `DELETE FROM tokens t WHERE subject IS NOT NULL AND created_at < now() - interval '1 minute'
			AND NOT EXISTS (SELECT FROM sessions WHERE token_id = t.id) AND `+childless)
	}
	if err == nil {
		_, err = db.pool.Exec(ctx, `DELETE FROM tokens WHERE expires_at < now() - $1::interval`, age)
	}
	return failure("forget sessions", err)
}
