package edge

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
)

// healthTimeout is how long a service may take to say how it is.
const healthTimeout = 2 * time.Second

// good is the word of a check that found nothing wrong.
const good = "ok"

func (e *Edge) healthz(w http.ResponseWriter, _ *http.Request) {
	respond(w, http.StatusOK, schemas.Readiness{Status: good})
}

// readyz tells whether requests can be answered: NATS is connected, and each
// service finds that it can do its work.
func (e *Edge) readyz(w http.ResponseWriter, r *http.Request) {
	found := schemas.Readiness{Status: good, Checks: e.checks(r.Context())}
	status := http.StatusOK
	for _, word := range found.Checks {
		if word != good {
			found.Status, status = "unavailable", http.StatusServiceUnavailable
		}
	}
	respond(w, status, found)
}

func (e *Edge) checks(ctx context.Context) map[string]string {
	if !e.cfg.NATS.IsConnected() {
		return map[string]string{"nats": e.cfg.NATS.Status().String()}
	}
	checks := map[string]string{"nats": good}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	var mu sync.Mutex
	var asked sync.WaitGroup
	for _, op := range []schemas.Operation[schemas.Empty, schemas.Health]{
		schemas.OrchestratorHealth, schemas.SchedulerHealth, schemas.WorkerManagerHealth,
	} {
		asked.Go(func() {
			health, err := rpc.Call(ctx, e.cfg.NATS, op, schemas.Empty{})
			mu.Lock()
			defer mu.Unlock()
			checks[op.Service] = good
			switch {
			case err != nil:
				checks[op.Service] = err.Error()
			case !health.Ready:
				checks[op.Service] = "not ready"
			}
			for name, word := range health.Checks {
				checks[op.Service+"."+name] = word
			}
		})
	}
	asked.Wait()
	return checks
}

func openapi(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, schemas.OpenAPI) }

func respond(w http.ResponseWriter, status int, body any) {
	encoded, _ := json.Marshal(body) // strings always encode
	answer(w, status, encoded)
}
