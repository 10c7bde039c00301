package rpc

import (
	"context"
	"regexp"
	"time"

	"github.com/google/uuid"

	"github.com/hodei-jobs/hodei"
)

type requestIDKey struct{}

var saneRequestID = regexp.MustCompile(`^[A-Za-z0-9._:/+=@-]{1,128}$`)

// WithRequestID returns ctx with the given request id, or with a new one if the
// given id is invalid.
func WithRequestID(ctx context.Context, id string) context.Context {
	if !saneRequestID.MatchString(id) {
		id = "req_" + uuid.Must(uuid.NewV7()).String()
	}
	return context.WithValue(ctx, requestIDKey{}, id)
}

// RequestID returns the id of the request that ctx belongs to, or "".
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

type idempotencyKey struct{}

// WithIdempotencyKey returns ctx with a key that makes a repeated create a
// no-op. "" means no key.
func WithIdempotencyKey(ctx context.Context, key string) context.Context {
	if key == "" {
		return ctx
	}
	return context.WithValue(ctx, idempotencyKey{}, key)
}

// IdempotencyKey returns the idempotency key of ctx, or "".
func IdempotencyKey(ctx context.Context) string {
	key, _ := ctx.Value(idempotencyKey{}).(string)
	return key
}

// saneKey matches valid idempotency keys.
var saneKey = regexp.MustCompile(`^[\x20-\x7e]{1,255}$`)

// CheckIdempotencyKey returns an error unless the key has 1 to 255 printable
// ASCII characters.
func CheckIdempotencyKey(key string) error {
	if saneKey.MatchString(key) {
		return nil
	}
	return hodei.InvalidField("Idempotency-Key", "1 to 255 printable ASCII characters required")
}

// DefaultTimeout bounds a call whose context has no deadline.
const DefaultTimeout = 10 * time.Second

func withDeadline(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, DefaultTimeout)
}
