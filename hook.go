package hodei

import "time"

// Hook starts runs of a pipeline for events that another system sends to its URL.
type Hook struct {
	ID         HookID     `json:"id"`
	PipelineID PipelineID `json:"pipeline_id"`
	// Pipeline is the slug of the pipeline; null without one.
	Pipeline *string `json:"pipeline"`
	// URL is the path on this server that the other system posts to.
	URL string `json:"url" db:"-"`
	HookSpec
	// Defined is true if the hook is part of the definition of its pipeline.
	Defined bool `json:"defined"`
	// RefusedAt is when a delivery was last refused because of its signature, to the second;
	// Refusal is the reason. Both are null if no delivery was refused. Nothing else of such a
	// delivery is stored.
	RefusedAt *time.Time `json:"refused_at"`
	Refusal   *string    `json:"refusal"`
	CreatedAt time.Time  `json:"created_at"`
	UpdatedAt time.Time  `json:"updated_at"`
}

// Kinds of hooks.
const (
	HookGeneric = "generic"
	HookGitHub  = "github"
	HookGitea   = "gitea"
	HookGitLab  = "gitlab"
)

// Treatments of a pull request from a fork.
const (
	ForksIgnore  = "ignore"
	ForksApprove = "approve"
	ForksRun     = "run"
)

// Where the definition of a run comes from.
const (
	// DefinitionApplied is the definition that was applied last when the run was created.
	DefinitionApplied = "applied"
	// DefinitionRepository is the file in the commit that the run has fetched.
	DefinitionRepository = "repository"
)

// DefinitionFile is the path of the definition in a repository unless its source names another.
const DefinitionFile = "hodei.yaml"

// Delivery is an event that a hook has received, with the run that it started or the reason
// why it started none.
type Delivery struct {
	ID     DeliveryID `json:"id"`
	HookID HookID     `json:"hook_id"`
	// SenderID is the id that the sender gave to the event; null without one.
	SenderID *string `json:"sender_id"`
	// Event is the kind of event as the sender names it.
	Event string `json:"event"`
	// Sender is the user who caused the event, as the sending system names them; null if it
	// does not.
	Sender *string        `json:"sender"`
	Status DeliveryStatus `json:"status"`
	// Reason is why the delivery started nothing; Message has the details. Both are null if it
	// started a run.
	Reason  *Reason `json:"reason"`
	Message *string `json:"message"`
	// Ref and Commit are the ref and the commit of the event; null if it has none.
	Ref       *string `json:"ref"`
	Commit    *string `json:"commit"`
	RunID     *RunID  `json:"run_id"`
	RunNumber *int    `json:"run_number"`
	// RedeliveryOf is the delivery that this one repeats at the request of a user.
	RedeliveryOf *DeliveryID `json:"redelivery_of"`
	// ApprovedBy is the user who approved a BLOCKED delivery; null without an approval, or
	// without access control.
	ApprovedBy *string   `json:"approved_by"`
	ReceivedAt time.Time `json:"received_at"`
}

// DeliveryStatus is the state of a delivery.
type DeliveryStatus string

const (
	DeliveryPending DeliveryStatus = "PENDING" // accepted; its run is created next
	DeliveryStarted DeliveryStatus = "STARTED" // a run was created
	DeliveryIgnored DeliveryStatus = "IGNORED" // the hook starts nothing for such an event
	DeliveryRefused DeliveryStatus = "REFUSED" // the run could not be created, or was not approved
	DeliveryBlocked DeliveryStatus = "BLOCKED" // waits for an approval, because it is from a fork
)

// DeliveryTransitions are the transitions of a delivery: its run is created, for which the
// hook decides again, or a user approves or rejects it.
var DeliveryTransitions = Transitions[DeliveryStatus]{
	DeliveryPending: {DeliveryStarted, DeliveryRefused, DeliveryIgnored, DeliveryBlocked},
	DeliveryBlocked: {DeliveryStarted, DeliveryRefused},
	DeliveryStarted: {},
	DeliveryIgnored: {},
	DeliveryRefused: {},
}
