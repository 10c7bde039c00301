package rpc

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
)

// checkWithin is how long one check may take, less than a service may take to report.
const checkWithin = 1500 * time.Millisecond

// Checks are what a service looks at, by name.
type Checks map[string]func(context.Context) error

// Health runs all checks at once. A service is ready when all that it requires succeed;
// those that it only reports may fail. Of an error the message for users is shown, if
// it has one, and the rest stays inside.
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
