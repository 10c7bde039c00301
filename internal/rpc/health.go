package rpc

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
)

// checkWithin bounds one check. It is shorter than the time that a service has
// to report.
const checkWithin = 1500 * time.Millisecond

// Checks are the health checks of a service, by name.
type Checks map[string]func(context.Context) error

// Health runs all checks in parallel. A service is ready if all required checks
// succeed; reported checks do not count. An error is shown only by its message
// for users.
func Health(ctx context.Context, required, reported Checks) schemas.Health {
	ctx, cancel := context.WithTimeout(ctx, checkWithin)
	defer cancel()
	health := schemas.Health{Ready: true, Checks: map[string]string{}}
	var mu sync.Mutex
	var running sync.WaitGroup
	run := func(checks Checks, matters bool) {
		for name, check := range checks {
			running.Go(func() {
				err := check(ctx)
				mu.Lock()
				defer mu.Unlock()
				health.Checks[name] = verdict(err)
				health.Ready = health.Ready && (err == nil || !matters)
			})
		}
	}
	run(required, true)
	run(reported, false)
	running.Wait()
	return health
}

// HandleHealth has health answer the operation.
func HandleHealth(s *Service, op schemas.Operation[schemas.Empty, schemas.Health], health func(context.Context) schemas.Health) {
	Handle(s, op, func(ctx context.Context, _ schemas.Empty) (schemas.Health, error) { return health(ctx), nil })
}

func verdict(err error) string {
	var known *hodei.Error
	switch {
	case err == nil:
		return schemas.CheckOK
	case errors.As(err, &known):
		return known.Message
	}
	return "unavailable"
}
