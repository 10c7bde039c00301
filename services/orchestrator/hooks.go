package orchestrator

import (
	"context"
	"reflect"
	"slices"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/definition"
	"github.com/hodei-jobs/hodei/internal/due"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/postgres"
	"github.com/hodei-jobs/hodei/schemas"
	"github.com/hodei-jobs/hodei/services/orchestrator/hook"
	"github.com/hodei-jobs/hodei/services/orchestrator/run"
)

func (o *Orchestrator) createHook(ctx context.Context, req schemas.CreateHookRequest) (hodei.Hook, error) {
	pipeline, err := resolveOne(ctx, "pipeline_id", &req.PipelineID, o.db.PipelineID)
	if err != nil {
		return hodei.Hook{}, err
	}
	of, err := o.db.Recorded(ctx, *pipeline)
	if err != nil {
		return hodei.Hook{}, err
	}
	if field, issue := definition.CheckHook(req.HookSpec, of.Settings); issue != "" {
		return hodei.Hook{}, hodei.InvalidField(field, issue)
	}
	return o.db.CreateHook(ctx, hodei.Hook{PipelineID: *pipeline, HookSpec: req.HookSpec})
}

func (o *Orchestrator) getHook(ctx context.Context, req schemas.GetHookRequest) (hodei.Hook, error) {
	return o.db.GetHook(ctx, req.ID)
}

func (o *Orchestrator) listHooks(ctx context.Context, req schemas.ListHooksRequest) (schemas.List[hodei.Hook], error) {
	pipelines, err := resolve(ctx, "pipeline_id", req.PipelineID, o.db.PipelineID)
	if err != nil {
		return schemas.List[hodei.Hook]{}, err
	}
	items, cursor, err := o.db.ListHooks(ctx, postgres.HookFilter{PipelineIDs: pipelines, Created: between(req.Created)},
		postgres.Page{Cursor: req.Cursor, Size: req.Size()})
	return schemas.List[hodei.Hook]{Items: items, NextCursor: cursor}, err
}

func (o *Orchestrator) deleteHook(ctx context.Context, req schemas.DeleteHookRequest) (schemas.Empty, error) {
	return schemas.Empty{}, o.db.DeleteHook(ctx, req.ID)
}

func (o *Orchestrator) listDeliveries(ctx context.Context, req schemas.ListDeliveriesRequest) (schemas.List[hodei.Delivery], error) {
	states, err := schemas.States("status", req.Status, hodei.DeliveryTransitions)
	if err != nil {
		return schemas.List[hodei.Delivery]{}, err
	}
	items, cursor, err := o.db.ListDeliveries(ctx, req.ID, states, postgres.Page{Cursor: req.Cursor, Size: req.Size()})
	return schemas.List[hodei.Delivery]{Items: items, NextCursor: cursor}, err
}

// notSigned is the answer to a message without a valid signature. It has no details.
func notSigned() error { return hodei.Errorf(hodei.Unauthenticated, "The signature is not valid") }

// receiveHook verifies the signature of a message and records the delivery with the decision of
// the hook. The run is created after the answer, because events may arrive faster than runs can
// be created.
func (o *Orchestrator) receiveHook(ctx context.Context, req schemas.ReceiveHookRequest) (hodei.Delivery, error) {
	if err := o.disks.Check(); err != nil {
		return hodei.Delivery{}, err
	}
	h, err := o.db.GetHook(ctx, req.ID)
	if err != nil {
		return hodei.Delivery{}, err
	}
	proof, err := o.verify(ctx, h, hook.Message{Headers: req.Headers, Body: req.Data})
	if err != nil {
		return hodei.Delivery{}, err
	}
	r := postgres.Received{
		Delivery: hodei.Delivery{HookID: h.ID, SenderID: proof.SenderID, Event: hodei.Clip(proof.Event, 100)}, Digest: proof.Digest, Body: append([]byte{}, req.Data...),
	}
	start, err := react(h, &r)
	if err != nil {
		return hodei.Delivery{}, err
	}
	if start != nil { // the run is created after the answer
		r.Status = hodei.DeliveryPending
	}
	made, err := o.db.ReceiveDelivery(ctx, r)
	if err == nil && made.Status == hodei.DeliveryPending {
		_ = o.nc.Publish(schemas.DeliverySubject, nil)
	}
	return made, err
}

// deliveries are the deliveries whose runs are to be created.
func (o *Orchestrator) deliveries() due.Rows {
	return due.Rows{Name: "deliveries", Subject: schemas.DeliverySubject, Next: o.db.NextDelivery, Take: o.startDue}
}

// startDue creates the runs of some deliveries of one pipeline.
func (o *Orchestrator) startDue(ctx context.Context) (more bool, err error) {
	if err := o.disks.Check(); err != nil {
		return false, err
	}
	all, err := o.db.StartDeliveries(ctx, react)
	if err != nil {
		return false, err
	}
	o.delivered(ctx, all...)
	return true, nil
}

// verify returns the proof of a message, or UNAUTHENTICATED. It records the reason in the hook.
func (o *Orchestrator) verify(ctx context.Context, h hodei.Hook, m hook.Message) (hook.Proof, error) {
	proof, err := hook.ProofOf(h.Kind, m, time.Now())
	issue := ""
	if err != nil {
		issue = hodei.AsError(err).Message
	} else {
		answer, err := rpc.Call(ctx, o.nc, schemas.VerifySecret, schemas.VerifySecretRequest{
			Name: h.Secret, PipelineID: h.PipelineID, Attached: schemas.Attached{Data: proof.Signed}, Signatures: proof.Signatures, Token: proof.Token,
		})
		if err != nil {
			return proof, err
		}
		issue = answer.Issue
	}
	if issue == "" {
		return proof, nil
	}
	if err := o.db.RefuseDelivery(ctx, h.ID, issue); err != nil {
		return proof, err
	}
	return proof, notSigned()
}

// react fills in the decision of the hook about a delivery, and returns the run to create; nil
// for none.
func react(h hodei.Hook, r *postgres.Received) (*postgres.Starting, error) {
	e, err := hook.Parse(h.Kind, r.Event, r.Body)
	if err != nil {
		return nil, err
	}
	r.Ref, r.Commit, r.Sender = optional(e.Ref), optional(e.Commit), optional(e.Sender)
	outcome := hook.Decide(h.HookSpec, e)
	if r.Status = outcome.Status; outcome.Status != hodei.DeliveryStarted {
		r.Reason, r.Message = &outcome.Reason, &outcome.Message
		return nil, nil
	}
	return new(starting(h, e, r.Body, outcome.NoSecrets)), nil
}

func optional(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// starting returns the run to create for an event.
func starting(h hodei.Hook, e hook.Event, body []byte, noSecrets bool) postgres.Starting {
	draft := hodei.Run{PipelineID: h.PipelineID, Ref: optional(e.Ref), Commit: optional(e.Commit)}
	draft.Trigger = hodei.RunTrigger{
		Kind: e.Kind, By: optional(e.Sender), BaseBranch: e.BaseBranch, PullRequest: e.PullRequest, Fork: e.Fork, Changes: e.Changes,
	}
	return postgres.Starting{Draft: draft, Advance: advance, Fill: func(r *hodei.Run, settings hodei.Settings, jobs []hodei.Job) error {
		params, err := hook.Params(h.HookSpec, e, body)
		if err != nil {
			return err
		}
		repository, err := hook.FromRepository(h.HookSpec, e, settings.Source)
		if err != nil {
			return err
		}
		return run.Expand(r, run.Source{Settings: settings, Jobs: jobs, Params: params, NoSecrets: noSecrets, Repository: repository})
	}}
}

// delivered hands over and announces the runs of committed deliveries.
func (o *Orchestrator) delivered(ctx context.Context, all ...postgres.Delivered) {
	var runs []postgres.Advanced
	waits := false
	for _, d := range all {
		if d.Run != nil {
			o.handOver(ctx, d.Run.Created)
			runs, waits = append(runs, *d.Run), waits || d.Run.Status == hodei.RunPending
		}
	}
	if waits { // it may have cancelled earlier runs
		_ = o.nc.Publish(schemas.RunSubject, nil)
	}
	o.carryOut(ctx, runs...)
}

// redeliver receives a delivery again. Its signature was verified when it was received.
func (o *Orchestrator) redeliver(ctx context.Context, req schemas.RedeliverRequest) (hodei.Delivery, error) {
	if err := o.disks.Check(); err != nil {
		return hodei.Delivery{}, err
	}
	h, err := o.db.GetHook(ctx, req.ID)
	if err != nil {
		return hodei.Delivery{}, err
	}
	r, err := o.db.GetReceived(ctx, req.ID, req.DeliveryID)
	if err != nil {
		return hodei.Delivery{}, err
	}
	again := postgres.Received{Delivery: hodei.Delivery{HookID: h.ID, SenderID: r.SenderID, Event: r.Event, RedeliveryOf: &r.ID}, Body: r.Body}
	start, err := react(h, &again)
	if err != nil {
		return hodei.Delivery{}, err
	}
	made, err := o.db.Deliver(ctx, again, start)
	if err != nil {
		return hodei.Delivery{}, err
	}
	o.delivered(ctx, made)
	return made.Delivery, nil
}

// approveDelivery starts the run of a fork's pull request, with secrets.
func (o *Orchestrator) approveDelivery(ctx context.Context, req schemas.ApproveDeliveryRequest) (hodei.Delivery, error) {
	if err := o.disks.Check(); err != nil {
		return hodei.Delivery{}, err
	}
	h, err := o.db.GetHook(ctx, req.ID)
	if err != nil {
		return hodei.Delivery{}, err
	}
	made, err := o.db.Approve(ctx, req.ID, req.DeliveryID, func(r postgres.Received) (postgres.Starting, error) {
		e, err := hook.Parse(h.Kind, r.Event, r.Body)
		return starting(h, e, r.Body, false), err
	})
	if err != nil {
		return hodei.Delivery{}, err
	}
	o.delivered(ctx, made)
	return made.Delivery, nil
}

// rejectDelivery rejects a delivery that waits for an approval; it starts no run.
func (o *Orchestrator) rejectDelivery(ctx context.Context, req schemas.RejectDeliveryRequest) (hodei.Delivery, error) {
	return o.db.RejectDelivery(ctx, req.ID, req.DeliveryID)
}

// matchHooks returns the hooks of a definition, each with the id of the existing hook that it
// replaces, so its URL stays. An existing hook matches if it is equal, or else has the same kind
// and secret, or else the same kind.
func matchHooks(now []hodei.Hook, specs []hodei.HookSpec) []hodei.Hook {
	out := make([]hodei.Hook, len(specs))
	free := slices.Clone(now)
	for _, same := range []func(a, b hodei.HookSpec) bool{
		func(a, b hodei.HookSpec) bool { return reflect.DeepEqual(a, b) },
		func(a, b hodei.HookSpec) bool { return a.Kind == b.Kind && a.Secret == b.Secret },
		func(a, b hodei.HookSpec) bool { return a.Kind == b.Kind },
	} {
		for i, spec := range specs {
			out[i].HookSpec = spec
			if !out[i].ID.IsZero() {
				continue
			}
			if at := slices.IndexFunc(free, func(h hodei.Hook) bool { return same(h.HookSpec, spec) }); at >= 0 {
				out[i].ID = free[at].ID
				free = slices.Delete(free, at, at+1)
			}
		}
	}
	return out
}
