package client

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
)

// Health checks the orchestrator, the scheduler, the worker manager and the
// artifacts service. A check is "ok" or the problem. Its name is
// "nats", a service, or a service and its dependency, such as
// "orchestrator.postgres". The checks of the artifacts service do not affect
// readiness: an installation may run without it. Health fails only if no service
// can be reached.
func (c *Client) Health(ctx context.Context) (schemas.Health, error) {
	return c.via.health(rpc.WithRequestID(ctx, rpc.RequestID(ctx)))
}

// health reads /readyz. The body contains the result; the status only repeats
// it.
func (t *overHTTP) health(ctx context.Context) (schemas.Health, error) {
	var found schemas.Health
	url := strings.TrimSuffix(t.base, "/api/v1") + "/readyz"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return found, hodei.InvalidField("server", err.Error())
	}
	resp, err := t.http.Do(req)
	if err != nil {
		return found, t.failed(ctx, err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&found); err != nil || found.Checks == nil {
		return found, hodei.Errorf(hodei.Unavailable, "%s answered %s and is not a Hodei server", url, resp.Status)
	}
	found.Ready = resp.StatusCode == http.StatusOK
	return found, nil
}

// optionalWithin is the time for a service that readiness does not depend on. It keeps /readyz
// of an installation without that service within the timeout of a probe.
const optionalWithin = 500 * time.Millisecond

// health sends the requests to the services in parallel.
func (t overNATS) health(ctx context.Context) (schemas.Health, error) {
	if !t.nc.IsConnected() {
		return schemas.Health{}, hodei.Errorf(hodei.Unavailable, "NATS is %s", strings.ToLower(t.nc.Status().String()))
	}
	found := schemas.Health{Ready: true, Checks: map[string]string{"nats": schemas.CheckOK}}
	var mu sync.Mutex
	var asked sync.WaitGroup
	ask := func(ctx context.Context, op schemas.Operation[schemas.Empty, schemas.Health], required bool) {
		health, err := rpc.Call(ctx, t.nc, op, schemas.Empty{})
		mu.Lock()
		defer mu.Unlock()
		found.Checks[op.Service] = schemas.CheckOK
		switch {
		case err != nil:
			found.Checks[op.Service] = hodei.AsError(err).Message
		case !health.Ready:
			found.Checks[op.Service] = "not ready"
		}
		for name, word := range health.Checks {
			found.Checks[op.Service+"."+name] = word
		}
		found.Ready = found.Ready && (!required || err == nil && health.Ready)
		found.Stores = append(found.Stores, health.Stores...)
	}
	for _, op := range []schemas.Operation[schemas.Empty, schemas.Health]{
		schemas.OrchestratorHealth, schemas.SchedulerHealth, schemas.WorkerManagerHealth,
	} {
		asked.Go(func() { ask(ctx, op, true) })
	}
	asked.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, optionalWithin)
		defer cancel()
		ask(ctx, schemas.ArtifactsHealth, false)
	})
	asked.Wait()
	return found, nil
}
