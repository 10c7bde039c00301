package rpc

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// panics counts the panics that this process recovered from.
var panics atomic.Int64

// Panics returns how many panics this process has recovered from since it
// started, in handlers and elsewhere.
func Panics() int64 { return panics.Load() }

// Caught logs a recovered panic with the stack of the goroutine, and counts it.
func Caught(log *slog.Logger, what string, panicked any) {
	panics.Add(1)
	log.Error("panic contained", "in", what, "panic", panicked, "stack", string(debug.Stack()))
}

// Recover recovers a panic of the function that defers it: `defer
// rpc.Recover(log, "events")`. The function may leave its state inconsistent; a
// function with state runs under Supervise instead.
func Recover(log *slog.Logger, what string) {
	if p := recover(); p != nil {
		Caught(log, what, p)
	}
}

// Try runs fn. It logs and counts a panic of fn and returns it as an error.
func Try(log *slog.Logger, what string, fn func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			Caught(log, what, p)
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return fn()
}

// The pause before a failed loop restarts doubles, and is reset after the loop
// has run for steady. The maximum is short, because a loop that fails during an
// outage of NATS must restart soon after NATS returns.
const (
	pauseFirst = 100 * time.Millisecond
	pauseMost  = 2 * time.Second
	steady     = 10 * time.Second
)

// Every runs fn at once and then at intervals, until ctx is done. It logs a failure or a
// panic, and the next interval retries.
func Every(ctx context.Context, log *slog.Logger, interval time.Duration, what string, fn func(context.Context) error) error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		err := Try(log, what, func() error { return fn(ctx) })
		if err != nil && ctx.Err() == nil {
			log.WarnContext(ctx, what+" failed", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Supervise runs fn until fn returns nil or ctx is done, and then returns nil.
// If fn fails or panics, Supervise logs it and restarts fn after a pause. fn
// rebuilds its state on each start, from Postgres or NATS. Every goroutine of a
// service that outlives a request runs under Supervise, so that no message can
// end the process.
func Supervise(ctx context.Context, log *slog.Logger, what string, fn func(context.Context) error) error {
	pause := &backoff.ExponentialBackOff{
		InitialInterval: pauseFirst, RandomizationFactor: 0.2, Multiplier: 2, MaxInterval: pauseMost,
	}
	pause.Reset()
	for {
		began := time.Now()
		err := Try(log, what, func() error { return fn(ctx) })
		if err == nil || ctx.Err() != nil {
			return nil
		}
		if time.Since(began) > steady {
			pause.Reset()
		}
		wait := pause.NextBackOff()
		log.WarnContext(ctx, what+" failed; restarting", "err", err, "again_in", wait)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}
