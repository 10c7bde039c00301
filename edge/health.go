package edge

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/hodei-jobs/hodei/client"
	"github.com/hodei-jobs/hodei/schemas"
)

// healthTimeout is how long the services have to report.
const healthTimeout = 2 * time.Second

func (e *Edge) healthz(w http.ResponseWriter, _ *http.Request) {
	respond(w, http.StatusOK, schemas.Readiness{Status: schemas.CheckOK})
}

// readyz answers 200 if NATS is connected and each service reports that it is
// ready.
func (e *Edge) readyz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), healthTimeout)
	defer cancel()
	health, err := client.NATS(e.cfg.NATS).Health(ctx)
	if err != nil {
		health.Checks = map[string]string{"nats": e.cfg.NATS.Status().String()}
	}
	found, status := schemas.Readiness{Status: schemas.CheckOK, Checks: health.Checks, Stores: health.Stores}, http.StatusOK
	if !health.Ready {
		found.Status, status = "unavailable", http.StatusServiceUnavailable
	}
	respond(w, status, found)
}

func openapi(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, schemas.OpenAPI) }

func respond(w http.ResponseWriter, status int, body any) {
	encoded, _ := json.Marshal(body) // strings always encode
	answer(w, status, encoded)
}
