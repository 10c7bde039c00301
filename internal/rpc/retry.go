package rpc

import (
	"errors"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/hodei-jobs/hodei"
)

// Patience is the backoff of a request that is repeated until it succeeds: 100 ms,
// doubled up to 5 s.
func Patience() backoff.RetryOption {
	return backoff.WithBackOff(&backoff.ExponentialBackOff{
		InitialInterval: 100 * time.Millisecond, RandomizationFactor: 0.2, Multiplier: 2, MaxInterval: 5 * time.Second,
	})
}

// Final makes an error permanent that a repetition would only get again:
// VALIDATION_ERROR, NOT_FOUND and CONFLICT.
func Final(err error) error {
	if errors.Is(err, hodei.Invalid) || errors.Is(err, hodei.NotFound) || errors.Is(err, hodei.Conflict) {
		return backoff.Permanent(err)
	}
	return err
}
