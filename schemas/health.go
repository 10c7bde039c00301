package schemas

import (
	"encoding/json"

	"github.com/hodei-jobs/hodei"
)

// Each service tells whether it can do its work; the edge asks all three for
// its readiness.
var (
	OrchestratorHealth  = health(Orchestrator)
	SchedulerHealth     = health(Scheduler)
	WorkerManagerHealth = health(WorkerManager)
	GetSchema           = declare[GetSchemaRequest, SchemaDocument](Op{
		Name: "schemas.get", Service: Orchestrator,
		Summary: "Get a published JSON Schema by its name or its $id", Errors: []hodei.Code{hodei.NotFound},
	})
)

func health(service string) Operation[Empty, Health] {
	return declare[Empty, Health](Op{Name: service + ".health", Service: service, Summary: "Tell whether the service can do its work"})
}

// CheckOK is the result of a check that found nothing wrong.
const CheckOK = "ok"

// Health is what a service found when it looked: each check is "ok" or what is wrong.
// A check may report something that does not keep the service from its work, such as
// that no worker can be scheduled; then it is ready nevertheless.
type Health struct {
	Ready  bool              `json:"ready"`
	Checks map[string]string `json:"checks"`
	// Stores are what the process keeps on disks of its own.
	Stores []Store `json:"stores,omitempty"`
}

// Store is the space on the disk of one store. Below the minimum new work is refused.
type Store struct {
	Name         string `json:"name"`
	FreeBytes    int64  `json:"free_bytes"`
	MinFreeBytes int64  `json:"min_free_bytes"`
}

// Readiness is what /healthz and /readyz answer over HTTP.
type Readiness struct {
	Status string `json:"status" jsonschema:"enum=ok,enum=unavailable"`
	// Checks are NATS, each service, and what each service looked at: "ok" or
	// what is wrong, or worth knowing: scheduler.workers does not change the status.
	// /healthz has none.
	Checks map[string]string `json:"checks,omitempty"`
	Stores []Store           `json:"stores,omitempty"`
}

// GetSchemaRequest names a published schema.
type GetSchemaRequest struct {
	// Name is as in "create_pipeline_request", or the schema's whole $id.
	Name string `json:"name" jsonschema:"maxLength=200"`
}

// SchemaDocument is a JSON Schema.
type SchemaDocument struct {
	Schema json.RawMessage `json:"schema"`
}
