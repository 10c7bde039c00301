package client

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
)

// WithIdempotencyKey returns ctx with a key of 1 to 255 printable ASCII
// characters. For the same key and request within 24 hours, a create returns
// its first answer; another request with that key is a CONFLICT. Without a key,
// each call chooses one, so that the client can repeat it; set a key to repeat
// a call of an earlier process.
func WithIdempotencyKey(ctx context.Context, key string) context.Context {
	return rpc.WithIdempotencyKey(ctx, key)
}

const (
	// tries is the number of attempts of a request.
	tries = 5
	// firstPause is the time before the second attempt. It doubles each time,
	// 1.5 s in total, within the deadline of the call.
	firstPause = 100 * time.Millisecond
)

// repeating repeats a request while that is harmless: one that only reads, or
// that creates under a key.
func (c *Client) repeating(ctx context.Context, op *schemas.Op, body []byte) (rpc.Reply, error) {
	if op.Creates && rpc.IdempotencyKey(ctx) == "" {
		ctx = rpc.WithIdempotencyKey(ctx, uuid.Must(uuid.NewV7()).String())
	}
	harmless := op.Method == "GET" || op.Creates
	for try, pause := 1, firstPause; ; try, pause = try+1, 2*pause {
		reply, err := c.via.send(ctx, op, body)
		refused := errors.Is(err, hodei.RateLimited) // before it had an effect
		if try == tries || !refused && !(harmless && transient(err)) {
			return reply, err
		}
		select {
		case <-ctx.Done():
			return reply, err
		case <-time.After(pause):
		}
	}
}

// transient reports whether the error may pass soon. Package rpc has already
// waited for a missing service.
func transient(err error) bool {
	return errors.Is(err, hodei.Unavailable) && !errors.Is(err, context.Canceled) &&
		!errors.Is(err, nats.ErrConnectionClosed) && !errors.Is(err, nats.ErrNoResponders)
}
