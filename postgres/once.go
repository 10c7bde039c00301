package postgres

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/hodei-jobs/hodei"
)

// KeyLife is how long an idempotency key is kept.
const KeyLife = 24 * time.Hour

type recordKey struct{}

// newID returns the id of a record to create. Within Once it is the id chosen
// by the first attempt.
func newID[T ~[16]byte](ctx context.Context) T {
	if id, ok := ctx.Value(recordKey{}).(uuid.UUID); ok {
		return T(id)
	}
	return NewID[T]()
}

// remembered is the stored state of a key.
type remembered struct {
	Request []byte
	Record  uuid.UUID
	Status  *int
	Reply   []byte
}

// Once calls do, which creates one record and replies, or returns the stored
// reply. For a day, the key belongs to one operation and one request body;
// another body is a CONFLICT. If the process dies during do, a repeat continues
// with the same id, so nothing is created twice. If do fails, the key is
// deleted and a repeat is a new attempt.
//
// Neither the claim nor the reply waits for the disk. The claim becomes durable
// with the record, which is committed after it. If a crash of Postgres loses
// the reply, it is built again from the record.
func (db *DB) Once(ctx context.Context, op, key string, request []byte, do func(context.Context) ([]byte, int, error)) ([]byte, int, error) {
	sum := sha256.Sum256(request)
	known, err := db.claim(ctx, op, key, sum[:])
	if errors.Is(err, hodei.NotFound) { // claimed concurrently, and not yet visible to this statement
		known, err = db.claim(ctx, op, key, sum[:])
	}
	if err != nil {
		return nil, 0, err
	}
	if !bytes.Equal(known.Request, sum[:]) {
		return nil, 0, hodei.Errorf(hodei.Conflict, "The Idempotency-Key was used with another request")
	}
	if known.Status != nil {
		return known.Reply, *known.Status, nil
	}
	body, status, err := do(context.WithValue(ctx, recordKey{}, known.Record))
	return body, status, db.remember(ctx, op, key, body, status, err)
}

// claim inserts the key or returns its stored state. It returns NOT_FOUND if
// another claim was committed while this one waited for it.
func (db *DB) claim(ctx context.Context, op, key string, sum []byte) (remembered, error) {
	return one[remembered](ctx, db.lazy, "claim key", "key", key,
		`WITH claimed AS (
			INSERT INTO idempotency_keys AS k (operation, key, request, record) VALUES ($1, $2, $3, $4)
			ON CONFLICT (operation, key) DO UPDATE
				SET request = excluded.request, record = excluded.record, reply = NULL, status = NULL, created_at = now()
				WHERE k.created_at < now() - $5::interval
			RETURNING request, record, status, reply)
		SELECT * FROM claimed
		UNION ALL SELECT request, record, status, reply FROM idempotency_keys
			WHERE operation = $1 AND key = $2 AND NOT EXISTS (SELECT FROM claimed)`,
		op, key, sum, NewID[uuid.UUID](), KeyLife)
}

// remember stores the reply, or deletes the key of a failed request.
func (db *DB) remember(ctx context.Context, op, key string, body []byte, status int, err error) error {
	ctx = context.WithoutCancel(ctx)
	switch {
	case err == nil:
		_, err = db.lazy.Exec(ctx, `UPDATE idempotency_keys SET reply = $3, status = $4 WHERE operation = $1 AND key = $2`, op, key, body, status)
		return failure("remember key", err)
	case errors.Is(err, hodei.Invalid), errors.Is(err, hodei.NotFound), errors.Is(err, hodei.Conflict), errors.Is(err, hodei.Rejected):
		_, failed := db.lazy.Exec(ctx, `DELETE FROM idempotency_keys WHERE operation = $1 AND key = $2 AND reply IS NULL`, op, key)
		return errors.Join(err, failure("forget key", failed))
	}
	return err
}

// ForgetKeys deletes expired keys.
func (db *DB) ForgetKeys(ctx context.Context) error {
	_, err := db.pool.Exec(ctx, `DELETE FROM idempotency_keys WHERE created_at < now() - $1::interval`, KeyLife)
	return failure("forget keys", err)
}
