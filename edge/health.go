package edge

import (
	"context"
	"net/http"

	"github.com/hodei-jobs/hodei/client"
	"github.com/hodei-jobs/hodei/schemas"
)

// Health is the health of the system: NATS is connected, and each service reports
// that it is ready.
func (e *Edge) Health(ctx context.Context) schemas.Health {
	health, err := client.NATS(e.cfg.NATS).Health(ctx)
	if err != nil {
		health.Checks = map[string]string{"nats": e.cfg.NATS.Status().String()}
	}
	return health
}

func openapi(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, schemas.OpenAPI) }
