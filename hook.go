package hodei

import "time"

// Hook starts runs of a pipeline for events that another system sends to its URL.
type Hook struct {
	ID         HookID     `json:"id"`
	PipelineID PipelineID `json:"pipeline_id"`
	// Pipeline is the slug of the pipeline, null when it has none.
	Pipeline *string `json:"pipeline"`
	// URL is the path on this server that the other system posts to.
	URL string `json:"url" db:"-"`
	HookSpec
	// Defined is true of a hook in the definition of its pipeline.
	Defined bool `json:"defined"`
	// RefusedAt is when a delivery was refused last because of its signature, to the
	// second, and Refusal why; null if none was. Nothing else of such a delivery is kept.
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
	// DefinitionApplied is what was applied last when the run was created.
	DefinitionApplied = "applied"
	// DefinitionRepository is the file in the commit that the run has fetched.
	DefinitionRepository = "repository"
)

// DefinitionFile is the path of the definition in a repository unless its source names another.
const DefinitionFile = "hodei.yaml"

// Delivery is an event that a hook has received: what it started, or why nothing.
type Delivery struct {
	ID     DeliveryID `json:"id"`
	HookID HookID     `json:"hook_id"`
	// SenderID is the id that the sender gave it, null without one.
	SenderID *string `json:"sender_id"`
	// Event is the kind of event in the words of the sender.
	Event string `json:"event"`
	// Sender names who caused the event, as the sender has it; null if it does not.
	Sender *string        `json:"sender"`
	Status DeliveryStatus `json:"status"`
	// Reason is why nothing was started, and Message its details; null otherwise.
	Reason  *Reason `json:"reason"`
	Message *string `json:"message"`
	// Ref and Commit are those of the event, null if it has none.
	Ref       *string `json:"ref"`
	Commit    *string `json:"commit"`
	RunID     *RunID  `json:"run_id"`
	RunNumber *int    `json:"run_number"`
	// RedeliveryOf is the delivery that this one repeats at the request of a user.
	RedeliveryOf *DeliveryID `json:"redelivery_of"`
	// ApprovedBy names the user who approved a delivery that was BLOCKED, null without an
	// approval or if the user is not known.
	ApprovedBy *string   `json:"approved_by"`
	ReceivedAt time.Time `json:"received_at"`
}

// DeliveryStatus is the state of a delivery.
type DeliveryStatus string

const (
	DeliveryPending DeliveryStatus = "PENDING" // it is accepted, and its run is created next
	DeliveryStarted DeliveryStatus = "STARTED" // it has a run
	DeliveryIgnored DeliveryStatus = "IGNORED" // the hook starts nothing for such an event
	DeliveryRefused DeliveryStatus = "REFUSED" // the run could not be created, or was not approved
	DeliveryBlocked DeliveryStatus = "BLOCKED" // it waits for an approval, because it is of a fork
)

// DeliveryTransitions are the creation of a run, for which the hook decides again, and the
// answer to one that waits for an approval.
var DeliveryTransitions = Transitions[DeliveryStatus]{
	DeliveryPending: {DeliveryStarted, DeliveryRefused, DeliveryIgnored, DeliveryBlocked},
	DeliveryBlocked: {DeliveryStarted, DeliveryRefused},
	DeliveryStarted: {},
	DeliveryIgnored: {},
	DeliveryRefused: {},
}
