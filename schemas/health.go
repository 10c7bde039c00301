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

// Health is what a service found when it looked: each check is "ok" or says
// what is wrong.
type Health struct {
	Ready  bool              `json:"ready"`
	Checks map[string]string `json:"checks"`
}

// Readiness is what /healthz and /readyz answer over HTTP.
type Readiness struct {
	Status string `json:"status" jsonschema:"enum=ok,enum=unavailable"`
	// Checks are NATS, each service, and what each service looked at: "ok" or
	// what is wrong. /healthz has none.
	Checks map[string]string `json:"checks,omitempty"`
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
