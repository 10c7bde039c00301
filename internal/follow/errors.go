package follow

import (
	"context"
	"errors"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/nats-io/nats.go"

	"github.com/hodei-jobs/hodei"
)

// Interrupted is the error of a context, with a code for callers.
func Interrupted(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return &hodei.Error{Code: hodei.Timeout, Message: "Not done in time", Err: err}
	}
	return &hodei.Error{Code: hodei.Unavailable, Message: "Request cancelled", Err: err}
}

// Unavailable is the error of a connection to NATS, with a code for callers.
func Unavailable(err error) error {
	if errors.Is(err, nats.ErrConnectionClosed) {
		return &hodei.Error{Code: hodei.Unavailable, Message: "The connection to NATS was closed", Err: err}
	}
	return &hodei.Error{Code: hodei.Unavailable, Message: "NATS is unreachable", Err: err}
}

// Final reports whether a repeated request would fail in the same way.
func Final(err error) bool {
	return errors.Is(err, hodei.NotFound) || errors.Is(err, hodei.Invalid) ||
		errors.Is(err, hodei.Unauthenticated) || errors.Is(err, hodei.Forbidden)
}

// NewPause is the backoff between two attempts of something that is expected to succeed soon.
func NewPause() *backoff.ExponentialBackOff {
	return &backoff.ExponentialBackOff{
		InitialInterval: 40 * time.Millisecond, RandomizationFactor: 0.5, Multiplier: 2, MaxInterval: 2 * time.Second,
	}
}
