package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/hodei-jobs/hodei"
)

const (
	// devicesKept bounds those that wait, because anybody can begin one.
	devicesKept = 10_000
	// deviceTokenLife is the longest life of the token of such a sign-in.
	deviceTokenLife = 90 * 24 * time.Hour
)

// Device is a sign-in of the command line that waits for its approval.
type Device struct {
	UserCode  string
	Name      string
	Address   string
	CreatedAt time.Time
}

// CreateDevice records a sign-in, which waits that long, under the hash of its secret, or returns UNAVAILABLE if too
// many wait.
func (db *DB) CreateDevice(ctx context.Context, d Device, hash []byte, life time.Duration) error {
	if _, err := db.pool.Exec(ctx, `DELETE FROM devices WHERE expires_at < now()`); err != nil {
		return failure("forget devices", err)
	}
	tag, err := db.pool.Exec(ctx, `INSERT INTO devices (hash, user_code, name, address, expires_at)
		SELECT $1, $2, $3, $4, now() + $5::interval WHERE (SELECT count(*) FROM devices) < $6`,
		hash, d.UserCode, d.Name, d.Address, life, devicesKept)
	if err == nil && tag.RowsAffected() == 0 {
		return hodei.Errorf(hodei.Unavailable, "Too many sign-ins wait for their approval: try again in some minutes")
	}
	return failure("create device", err)
}

// FindDevice returns the sign-in that waits with this code, or NOT_FOUND.
func (db *DB) FindDevice(ctx context.Context, userCode string) (Device, error) {
	return one[Device](ctx, db.pool, "find device", "code", userCode,
		`SELECT user_code, name, address, created_at FROM devices WHERE user_code = $1 AND token_id IS NULL AND expires_at > now()`, userCode)
}

// ApproveDevice gives the sign-in with this code the rights of a token, or returns NOT_FOUND.
func (db *DB) ApproveDevice(ctx context.Context, userCode string, by hodei.TokenID) (Device, error) {
	return one[Device](ctx, db.pool, "approve device", "code", userCode,
		`UPDATE devices SET token_id = $2 WHERE user_code = $1 AND token_id IS NULL AND expires_at > now()
		RETURNING user_code, name, address, created_at`, userCode, by)
}

// RedeemDevice makes the token of a sign-in that was approved, once, or returns CONFLICT while it
// waits and NOT_FOUND otherwise. The token has no more rights than that of who approved, and
// ends with it at the latest. The end of a session does not end it: see childless.
func (db *DB) RedeemDevice(ctx context.Context, hash, tokenHash []byte) (hodei.Token, error) {
	t, err := one[hodei.Token](ctx, db.pool, "redeem device", "device", "",
		`WITH d AS (DELETE FROM devices WHERE hash = $1 AND token_id IS NOT NULL AND expires_at > now() RETURNING *),
		t AS (INSERT INTO tokens (id, hash, name, role, pipelines, created_by, expires_at, parent_id)
			SELECT $2, $3, left(p.name || ' on ' || d.name, 200), p.role, p.pipelines, p.name, least(now() + $4::interval, p.expires_at), p.id
			FROM d JOIN tokens p ON p.id = d.token_id WHERE p.expires_at IS NULL OR p.expires_at > now() RETURNING *)
		SELECT `+tokenColumns+` FROM t`, hash, NewID[hodei.TokenID](), tokenHash, deviceTokenLife)
	if !errors.Is(err, hodei.NotFound) {
		return t, err
	}
	var waits bool
	if err := db.pool.QueryRow(ctx, `SELECT EXISTS (SELECT FROM devices WHERE hash = $1 AND token_id IS NULL AND expires_at > now())`, hash).Scan(&waits); err != nil {
		return t, failure("find device", err)
	}
	if waits {
		return t, hodei.Errorf(hodei.Conflict, "The sign-in waits for its approval")
	}
	return t, err
}
