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
// characters. What creates something gives, for the same key and the same
// request within 24 hours, the answer it gave at first; another request under
// that key is CONFLICT. Without one each call makes its own, so that the client
// can repeat it; give your own to repeat a call of an earlier process.
func WithIdempotencyKey(ctx context.Context, key string) context.Context {
	return rpc.WithIdempotencyKey(ctx, key)
}

const (
	// tries is how often a request is made before its failure is the answer.
	tries = 5
	// firstPause is the time before the second try; it doubles each time, to
	// 1.5 s in all. The deadline of the call bounds the whole.
	firstPause = 100 * time.Millisecond
)

// repeating asks until there is an answer, where asking again does no harm:
// what only reads, and what creates under a key.
func (c *Client) repeating(ctx context.Context, op *schemas.Op, body []byte) (rpc.Reply, error) {
	if op.Creates && rpc.IdempotencyKey(ctx) == "" {
		ctx = rpc.WithIdempotencyKey(ctx, uuid.Must(uuid.NewV7()).String())
	}
	harmless := op.Method == "GET" || op.Creates
	for try, pause := 1, firstPause; ; try, pause = try+1, 2*pause {
		reply, err := c.via.send(ctx, op, body)
		if !harmless || try == tries || !transient(err) {
			return reply, err
		}
		select {
		case <-ctx.Done():
			return reply, err
		case <-time.After(pause):
		}
	}
}

// transient reports whether the failure may be over in a moment. A service that
// is not there has been waited for already, by rpc.
func transient(err error) bool {
	return errors.Is(err, hodei.Unavailable) && !errors.Is(err, context.Canceled) &&
		!errors.Is(err, nats.ErrConnectionClosed) && !errors.Is(err, nats.ErrNoResponders)
}
