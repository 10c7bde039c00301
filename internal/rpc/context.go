package rpc

import (
	"context"
	"regexp"
	"time"

	"github.com/google/uuid"
)

type requestIDKey struct{}

var saneRequestID = regexp.MustCompile(`^[A-Za-z0-9._:/+=@-]{1,128}$`)

// WithRequestID returns ctx with the given request id where it is sane, else
// with a new one.
func WithRequestID(ctx context.Context, id string) context.Context {
	if !saneRequestID.MatchString(id) {
		id = "req_" + uuid.Must(uuid.NewV7()).String()
	}
	return context.WithValue(ctx, requestIDKey{}, id)
}

// RequestID is the id of the request that ctx belongs to, "" outside of one.
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// DefaultTimeout is how long a call may take when its context sets no deadline.
const DefaultTimeout = 10 * time.Second

func withDeadline(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, DefaultTimeout)
}
