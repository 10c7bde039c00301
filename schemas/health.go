package schemas

import (
	"encoding/json"

	"github.com/hodei-jobs/hodei"
)

// Each service reports whether it is ready. The edge is ready when the
// orchestrator, the scheduler, the worker manager and, with access control, the
// access service are. It shows the artifacts service, which an installation may
// lack.
var (
	OrchestratorHealth  = health(Orchestrator)
	SchedulerHealth     = health(Scheduler)
	WorkerManagerHealth = health(WorkerManager)
	AccessHealth        = health(Access)
	ArtifactsHealth     = health(Artifacts)
	GetSchema           = declare[GetSchemaRequest, SchemaDocument](Op{
		Name: "schemas.get", Role: hodei.Viewer, Limit: LimitNone, Service: Orchestrator,
		Summary: "Get a published JSON Schema by its name or its $id", Errors: []hodei.Code{hodei.NotFound},
	})
)

func health(service string) Operation[Empty, Health] {
	return declare[Empty, Health](Op{Name: service + ".health", Role: hodei.Viewer, Limit: LimitNone, Service: service, Summary: "Check whether the service is ready"})
}

// CheckOK is the result of a successful check.
const CheckOK = "ok"

// Health is the result of a service's checks: each is "ok" or the problem. A
// check may report a problem that does not affect readiness, such as that no
// worker is available.
type Health struct {
	Ready  bool              `json:"ready"`
	Checks map[string]string `json:"checks"`
	// Stores are the stores that the process keeps on local disks.
	Stores []Store `json:"stores,omitempty"`
}

// Store is the disk space of one store. Below the minimum, new work is refused.
type Store struct {
	Name         string `json:"name"`
	FreeBytes    int64  `json:"free_bytes"`
	MinFreeBytes int64  `json:"min_free_bytes"`
}

// Readiness is the body of /healthz and /readyz over HTTP.
type Readiness struct {
	Status string `json:"status" jsonschema:"enum=ok,enum=unavailable"`
	// Checks are NATS, the services, and their own
	// checks: "ok" or the problem. scheduler.workers and those of the artifacts
	// service do not affect the status. /healthz has none.
	Checks map[string]string `json:"checks,omitempty"`
	Stores []Store           `json:"stores,omitempty"`
}

// GetSchemaRequest names a published schema.
type GetSchemaRequest struct {
	// Name is a name such as "create_pipeline_request", or the schema's whole
	// $id.
	Name string `json:"name" jsonschema:"maxLength=200"`
}

// SchemaDocument is a JSON Schema.
type SchemaDocument struct {
	Schema json.RawMessage `json:"schema"`
}
