package health

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/hodei-jobs/hodei/schemas"
)

// within is how long the checks of one request may take.
const within = 2 * time.Second

// Live answers that the process runs.
func Live(w http.ResponseWriter, _ *http.Request) {
	respond(w, http.StatusOK, schemas.Readiness{Status: schemas.CheckOK})
}

// Ready answers 200 when check finds the process ready, else 503, with one entry
// per check.
func Ready(check func(context.Context) schemas.Health) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), within)
		defer cancel()
		health := check(ctx)
		found, status := schemas.Readiness{Status: schemas.CheckOK, Checks: health.Checks, Stores: health.Stores}, http.StatusOK
		if !health.Ready {
			found.Status, status = "unavailable", http.StatusServiceUnavailable
		}
		respond(w, status, found)
	}
}

// Metrics answers with the numbers of the registry, for Prometheus.
func Metrics(registry *prometheus.Registry) http.Handler {
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

func respond(w http.ResponseWriter, status int, body schemas.Readiness) {
	encoded, _ := json.Marshal(body) // strings and numbers always encode
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(encoded) // a client that has gone needs no answer
}
