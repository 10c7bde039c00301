package schemas

import (
	"strings"

	"github.com/hodei-jobs/hodei"
)

// The operations on hooks, which the orchestrator answers. Posting an event to the URL of a
// hook is no operation: it needs no token, because events are signed.
var (
	CreateHook = declare[CreateHookRequest, hodei.Hook](Op{
		Name: "hooks.create", Role: hodei.Admin, Limit: "pipeline_id", Service: Orchestrator, Method: "POST", Path: "/hooks", Status: 201, Creates: true,
		Summary: "Create a hook that starts runs of a pipeline for events of another system", Errors: []hodei.Code{hodei.NotFound},
		Description: "The other system posts its events to url, which needs no token: it signs them with the value of the secret. GitHub, " +
			"Gitea and Forgejo sign in their own ways, and GitLab sends its token or signs. The sender of a generic hook signs as the " +
			"specification Standard Webhooks has it, and posts {params?, ref?}. A signature that is not valid is 401.",
	})
	GetHook = declare[GetHookRequest, hodei.Hook](Op{
		Name: "hooks.get", Role: hodei.Viewer, Limit: "id", Service: Orchestrator, Method: "GET", Path: "/hooks/{id}",
		Summary: "Get a hook", Errors: []hodei.Code{hodei.NotFound},
	})
	ListHooks = declare[ListHooksRequest, List[hodei.Hook]](Op{
		Name: "hooks.list", Role: hodei.Viewer, Limit: LimitOwn, Service: Orchestrator, Method: "GET", Path: "/hooks",
		Summary: "List hooks, newest first",
	})
	DeleteHook = declare[DeleteHookRequest, Empty](Op{
		Name: "hooks.delete", Role: hodei.Admin, Limit: "id", Service: Orchestrator, Method: "DELETE", Path: "/hooks/{id}", Status: 204,
		Summary: "Delete a hook with the record of its deliveries; what it started goes on", Errors: []hodei.Code{hodei.NotFound},
	})
	ListDeliveries = declare[ListDeliveriesRequest, List[hodei.Delivery]](Op{
		Name: "hooks.deliveries", Role: hodei.Viewer, Limit: "id", Service: Orchestrator, Method: "GET", Path: "/hooks/{id}/deliveries",
		Summary: "List the events that a hook has received, each with its run or the reason why there is none; the latest first", Errors: []hodei.Code{hodei.NotFound},
		Description: "The last 1000 of 30 days are kept.",
	})
	Redeliver = declare[RedeliverRequest, hodei.Delivery](Op{
		Name: "hooks.redeliver", Role: hodei.Admin, Limit: "id", Service: Orchestrator, Method: "POST", Path: "/hooks/{id}/deliveries/{delivery_id}/redeliver",
		Status: 201, Creates: true, Summary: "Receive an event again, as the hook is now", Errors: []hodei.Code{hodei.NotFound},
		Description: "The repeat is a separate delivery. A delivery from a fork is blocked again, or ignored.",
	})
	ApproveDelivery = declare[ApproveDeliveryRequest, hodei.Delivery](Op{
		Name: "hooks.approve", Role: hodei.Operator, Limit: "id", Service: Orchestrator, Method: "POST", Path: "/hooks/{id}/deliveries/{delivery_id}/approve",
		Summary: "Start the run of a BLOCKED delivery: a pull request from a fork, with secrets", Errors: []hodei.Code{hodei.NotFound, hodei.Conflict},
		Description: "The approval holds only for the commit of the delivery. Later commits of the pull request are other deliveries.",
	})
	RejectDelivery = declare[RejectDeliveryRequest, hodei.Delivery](Op{
		Name: "hooks.reject", Role: hodei.Operator, Limit: "id", Service: Orchestrator, Method: "POST", Path: "/hooks/{id}/deliveries/{delivery_id}/reject",
		Summary: "Refuse a BLOCKED delivery, which then starts nothing", Errors: []hodei.Code{hodei.NotFound, hodei.Conflict},
	})
	ReceiveHook = declare[ReceiveHookRequest, hodei.Delivery](Op{
		Name: "hooks.receive", Role: hodei.RoleService, Service: Orchestrator, AskedBy: []string{Edge}, Internal: true, Status: 201,
		Summary: "Receive what was posted to the URL of a hook", Errors: []hodei.Code{hodei.Unauthenticated, hodei.NotFound},
	})
)

// HookHeaders are the headers with which senders sign and identify events.
var HookHeaders = []string{
	"X-GitHub-Event", "X-GitHub-Delivery", "X-Hub-Signature-256",
	"X-Gitea-Event", "X-Gitea-Delivery", "X-Gitea-Signature", "X-Forgejo-Event", "X-Forgejo-Delivery", "X-Forgejo-Signature",
	"X-Gitlab-Event", "X-Gitlab-Event-Uuid", "X-Gitlab-Token", "Idempotency-Key",
	"Webhook-Id", "Webhook-Timestamp", "Webhook-Signature",
}

// CreateHookRequest creates a hook.
type CreateHookRequest struct {
	// PipelineID is the pipeline that the hook runs.
	PipelineID hodei.PipelineRef `json:"pipeline_id"`
	hodei.HookSpec
}

// GetHookRequest names a hook.
type GetHookRequest struct {
	ID hodei.HookID `json:"id" in:"path"`
}

// ListHooksRequest asks for a page of hooks.
type ListHooksRequest struct {
	// PipelineID selects the hooks of that pipeline, or of these, separated by commas.
	PipelineID OneOf[hodei.PipelineRef] `json:"pipeline_id,omitempty" in:"query" null:"true"`
	Created
	Page
}

// DeleteHookRequest names the hook to delete.
type DeleteHookRequest struct {
	ID hodei.HookID `json:"id" in:"path"`
}

// ListDeliveriesRequest asks for a page of the deliveries of a hook.
type ListDeliveriesRequest struct {
	ID hodei.HookID `json:"id" in:"path"`
	// Status selects deliveries in this state, or in these, separated by commas.
	Status OneOf[hodei.DeliveryStatus] `json:"status,omitempty" in:"query" null:"true"`
	Page
}

// RedeliverRequest names a delivery.
type RedeliverRequest struct {
	ID         hodei.HookID     `json:"id" in:"path"`
	DeliveryID hodei.DeliveryID `json:"delivery_id" in:"path"`
}

// ApproveDeliveryRequest names a delivery.
type ApproveDeliveryRequest struct {
	ID         hodei.HookID     `json:"id" in:"path"`
	DeliveryID hodei.DeliveryID `json:"delivery_id" in:"path"`
}

// RejectDeliveryRequest names a delivery.
type RejectDeliveryRequest struct {
	ID         hodei.HookID     `json:"id" in:"path"`
	DeliveryID hodei.DeliveryID `json:"delivery_id" in:"path"`
}

// ReceiveHookRequest is a message that was posted to a hook: its headers of HookHeaders, with
// their names in lower case, and the body attached.
type ReceiveHookRequest struct {
	ID      hodei.HookID      `json:"id"`
	Headers map[string]string `json:"headers"`
	Attached
}

// Validate reports a request that names no hook.
func (r ReceiveHookRequest) Validate() error {
	if r.ID.IsZero() {
		return hodei.InvalidField("id", "required")
	}
	return nil
}

// HeadersOfHook returns the headers of a ReceiveHookRequest.
func HeadersOfHook(get func(name string) string) map[string]string {
	out := map[string]string{}
	for _, name := range HookHeaders {
		if value := get(name); value != "" {
			out[strings.ToLower(name)] = value
		}
	}
	return out
}
