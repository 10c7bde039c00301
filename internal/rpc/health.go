package rpc

import (
	"context"
	"time"

	"github.com/hodei-jobs/hodei/schemas"
)

// Health runs the checks, each within two seconds, and says of each "ok" or
// that it failed. The error's own text stays inside.
func Health(ctx context.Context, checks map[string]func(context.Context) error) schemas.Health {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	health := schemas.Health{Ready: true, Checks: map[string]string{}}
	for name, check := range checks {
		health.Checks[name] = "ok"
		if err := check(ctx); err != nil {
			health.Ready, health.Checks[name] = false, "unavailable"
		}
	}
	return health
}
