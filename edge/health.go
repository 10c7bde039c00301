package edge

import (
	"context"
	"net/http"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/client"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
)

// Health is the health of the system: NATS is connected, and each service reports
// that it is ready. The artifacts service is checked too, but not required. Concurrent requests share one check, because the check needs no
// token.
func (e *Edge) Health(ctx context.Context) schemas.Health {
	checked, _, _ := e.checks.Do("", func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), checkWithin)
		defer cancel()
		return e.check(ctx), nil
	})
	return checked.(schemas.Health)
}

// checkWithin is the time for a check.
const checkWithin = 10 * time.Second

func (e *Edge) check(ctx context.Context) schemas.Health {
	health, err := client.NATS(e.cfg.NATS).Health(ctx)
	if err != nil {
		health.Checks = map[string]string{"nats": e.cfg.NATS.Status().String()}
	}
	if e.cfg.Auth {
		ask := schemas.AccessHealth
		access, err := rpc.Call(ctx, e.cfg.NATS, ask, schemas.Empty{})
		health.Checks[schemas.Access], health.Ready = schemas.CheckOK, health.Ready && err == nil && access.Ready
		if err != nil {
			health.Checks[schemas.Access] = hodei.AsError(err).Message
		} else if !access.Ready {
			health.Checks[schemas.Access] = "not ready"
		}
	}
	return health
}

func openapi(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, schemas.OpenAPI) }
