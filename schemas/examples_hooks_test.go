package schemas

import "github.com/hodei-jobs/hodei"

func examplesOfHooks(all map[*Op]example) {
	id := mustID[hodei.HookID]("hook_018d0c9f-1c40-7a1b-9d52-6f0e8a7b3c92")
	spec := hodei.HookSpec{Kind: hodei.HookGitHub, Secret: "HOOK_KEY", Branches: []string{"main"}, Forks: hodei.ForksApprove}
	h := hodei.Hook{
		ID: id, PipelineID: pipelineID, Pipeline: ptr("shop"), URL: "/api/v1/hooks/" + id.String(), HookSpec: spec, CreatedAt: noon, UpdatedAt: noon,
	}
	commit := "6113728f27ae82c7b1a177c8d03f9e96e0adf246"
	started := hodei.Delivery{
		ID: mustID[hodei.DeliveryID]("dlv_018d0c9f-1c40-7a1b-9d52-6f0e8a7b3c93"), HookID: id, SenderID: ptr("72d3162e-cc78-11e3-81ab-4c9367dc0958"), Event: "push",
		Sender: ptr("octocat"), Status: hodei.DeliveryStarted, Ref: ptr("refs/heads/main"), Commit: &commit, RunID: &runID, RunNumber: ptr(42), ReceivedAt: noon,
	}
	blocked := started
	blocked.ID, blocked.Event, blocked.Ref = mustID[hodei.DeliveryID]("dlv_018d0c9f-1c40-7a1b-9d52-6f0e8a7b3c94"), "pull_request", ptr("refs/pull/27/head")
	blocked.Status, blocked.Reason, blocked.RunID, blocked.RunNumber = hodei.DeliveryBlocked, ptr(hodei.ReasonFork), nil, nil
	blocked.Message = ptr("a pull request from a fork: an operator must approve the delivery")
	approved := started
	approved.ID, approved.Event, approved.Ref, approved.ApprovedBy = blocked.ID, blocked.Event, blocked.Ref, ptr("ana")
	again := started
	again.ID, again.RedeliveryOf = mustID[hodei.DeliveryID]("dlv_018d0c9f-1c40-7a1b-9d52-6f0e8a7b3c95"), &started.ID
	show(all, CreateHook, CreateHookRequest{PipelineID: hodei.RefTo(pipelineID), HookSpec: spec}, h)
	show(all, GetHook, GetHookRequest{ID: id}, h)
	show(all, ListHooks, ListHooksRequest{PipelineID: Any(hodei.RefTo(pipelineID))}, page(h))
	show(all, DeleteHook, DeleteHookRequest{ID: id}, Empty{})
	show(all, ListDeliveries, ListDeliveriesRequest{ID: id, Page: Page{Limit: 2}}, page(blocked, started))
	show(all, Redeliver, RedeliverRequest{ID: id, DeliveryID: started.ID}, again)
	rejected := blocked
	rejected.Status, rejected.Reason, rejected.Message = hodei.DeliveryRefused, ptr(hodei.ReasonRejected), ptr("rejected by ana")
	show(all, RejectDelivery, RejectDeliveryRequest{ID: id, DeliveryID: blocked.ID}, rejected)
	show(all, ApproveDelivery, ApproveDeliveryRequest{ID: id, DeliveryID: blocked.ID}, approved)
}
