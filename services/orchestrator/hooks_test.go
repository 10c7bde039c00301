package orchestrator

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/local/localtest"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/postgres"
	"github.com/hodei-jobs/hodei/schemas"
)

// believer runs a worker manager that believes every signature.
func (b *bench) believer() {
	b.t.Helper()
	svc := rpc.New(rpc.Config{NATS: b.nc, Name: schemas.WorkerManager, Log: localtest.Log(b.t)})
	rpc.Handle(svc, schemas.VerifySecret, func(context.Context, schemas.VerifySecretRequest) (schemas.VerifiedSecret, error) {
		return schemas.VerifiedSecret{}, nil
	})
	localtest.Run(b.t, svc.Run, svc.Ready())
}

// hook creates a hook of the pipeline.
func (b *bench) hook(pipeline hodei.PipelineID, spec hodei.HookSpec) hodei.Hook {
	b.t.Helper()
	if spec.Secret = "KEY"; spec.Kind == "" {
		spec.Kind = hodei.HookGitea
	}
	h, err := b.db.CreateHook(b.t.Context(), hodei.Hook{PipelineID: pipeline, HookSpec: spec})
	require.NoError(b.t, err)
	return h
}

const (
	pushOf = `{"ref":"refs/heads/main","after":"%040x","commits":[]}`
	forkOf = `{"action":"opened","number":%d,"pull_request":{"head":{"sha":"6113728f27ae82c7b1a177c8d03f9e96e0adf246","repo":{"id":2}},"base":{"ref":"main","repo":{"id":1}}}}`
)

// receive posts an event to a hook, as the edge does.
func (b *bench) receive(h hodei.Hook, event, id, payload string) hodei.Delivery {
	b.t.Helper()
	d, err := rpc.Call(b.t.Context(), b.nc, schemas.ReceiveHook, schemas.ReceiveHookRequest{ID: h.ID, Attached: schemas.Attached{Data: []byte(payload)}, Headers: map[string]string{
		"x-gitea-event": event, "x-gitea-delivery": id, "x-gitea-signature": "00",
	}})
	require.NoError(b.t, err)
	return d
}

// decided waits until no delivery of the hook is PENDING, and returns all, the first one
// first.
func (b *bench) decided(h hodei.Hook) (out []hodei.Delivery) {
	b.t.Helper()
	require.Eventually(b.t, func() bool {
		all, _, err := b.db.ListDeliveries(b.t.Context(), h.ID, nil, postgres.Page{Size: 200})
		require.NoError(b.t, err)
		out = nil
		for _, d := range all {
			if d.Status == hodei.DeliveryPending {
				return false
			}
			out = append([]hodei.Delivery{d}, out...)
		}
		return true
	}, time.Minute, 5*time.Millisecond)
	return out
}

// lockPipelines keeps the deliveries to all pipelines PENDING until let go.
func (b *bench) lockPipelines() (letGo func()) {
	b.t.Helper()
	conn, err := pgx.Connect(b.t.Context(), b.url)
	require.NoError(b.t, err)
	tx, err := conn.Begin(b.t.Context())
	require.NoError(b.t, err)
	_, err = tx.Exec(b.t.Context(), `SELECT FROM pipelines FOR UPDATE`)
	require.NoError(b.t, err)
	return func() {
		require.NoError(b.t, tx.Rollback(b.t.Context()))
		require.NoError(b.t, conn.Close(b.t.Context()))
		require.NoError(b.t, b.nc.Publish(schemas.DeliverySubject, nil))
	}
}

// TestAcceptedEventsStartOnceAndInOrder: an event is accepted while no run can be created.
// Then two instances create the runs, whose numbers have the order of the events, one for
// each event, whatever was sent again.
func TestAcceptedEventsStartOnceAndInOrder(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.believer()
	b.instance()
	hooks := make([]hodei.Hook, 3)
	for i := range hooks {
		hooks[i] = b.hook(b.pipeline(schemas.CreateJobRequest{Graph: hodei.Graph{Key: "a"}}), hodei.HookSpec{})
	}
	letGo := b.lockPipelines()
	const events = 40
	for i := range events {
		for _, h := range hooks {
			d := b.receive(h, "push", fmt.Sprint(i), fmt.Sprintf(pushOf, i+1))
			require.Equal(t, hodei.DeliveryPending, d.Status)
			require.Nil(t, d.RunID)
			require.Equal(t, d.ID, b.receive(h, "push", "forged", fmt.Sprintf(pushOf, i+1)).ID)
		}
	}
	letGo()
	for _, h := range hooks {
		all := b.decided(h)
		require.Len(t, all, events)
		for i, d := range all {
			require.Equal(t, hodei.DeliveryStarted, d.Status)
			require.Equal(t, i+1, *d.RunNumber)
			r := b.shownRun(*d.RunID)
			require.Equal(t, d.ID, *r.Trigger.DeliveryID)
			require.Equal(t, fmt.Sprintf("%040x", i+1), *r.Commit)
		}
		again := b.receive(h, "push", "0", "{}")
		require.Equal(t, all[0], again, "what is sent again gets the delivery as it stands")
		runs, _, err := b.db.ListRuns(t.Context(), postgres.RunFilter{PipelineIDs: []hodei.PipelineID{h.PipelineID}}, postgres.Page{Size: 200})
		require.NoError(t, err)
		require.Len(t, runs, events)
	}
}

// TestAnAcceptedEventOutlivesItsInstance: another instance creates the run.
func TestAnAcceptedEventOutlivesItsInstance(t *testing.T) {
	t.Parallel()
	nc, _ := localtest.JetStream(t)
	url := localtest.Migrated(t, postgres.Migrate)
	b := &bench{t: t, nc: nc, url: url, db: open(t, url)}
	b.believer()
	stop := b.instance()
	h := b.hook(b.pipeline(schemas.CreateJobRequest{Graph: hodei.Graph{Key: "a"}}), hodei.HookSpec{})
	letGo := b.lockPipelines()
	d := b.receive(h, "push", "1", fmt.Sprintf(pushOf, 1))
	require.Equal(t, hodei.DeliveryPending, d.Status)
	stop()
	letGo()
	b.instance()
	require.Equal(t, hodei.DeliveryStarted, b.decided(h)[0].Status)
}

// TestAHookThatChangedDecidesAgain: what was accepted before it starts nothing that the hook
// no longer allows, and what cannot start is REFUSED and keeps no other delivery.
func TestAHookThatChangedDecidesAgain(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.believer()
	const before = "slug: release\nparams: { n: { required: true } }\nhooks: [ { kind: gitea, secret: KEY, forks: run, params: { n: number } } ]\njobs: { a: { command: x } }\n"
	const after = "slug: release\nparams: { n: { required: true } }\nhooks: [ { kind: gitea, secret: KEY, forks: approve, params: { n: number } } ]\njobs: { a: { command: x } }\n"
	b.apply(before, nil)
	list, _, err := b.db.ListHooks(t.Context(), postgres.HookFilter{}, postgres.Page{Size: 1})
	require.NoError(t, err)
	h := list[0]

	require.Equal(t, hodei.DeliveryPending, b.receive(h, "push", "1", fmt.Sprintf(pushOf, 1)).Status)
	require.Equal(t, hodei.DeliveryPending, b.receive(h, "pull_request", "2", fmt.Sprintf(forkOf, 2)).Status)
	all := b.decided(h)
	require.Equal(t, hodei.DeliveryRefused, all[0].Status)
	require.Equal(t, hodei.ReasonInvalid, *all[0].Reason)
	require.Contains(t, *all[0].Message, "params.n")
	require.Equal(t, hodei.DeliveryStarted, all[1].Status)

	b.apply(after, nil)
	d, err := b.db.ReceiveDelivery(t.Context(), postgres.Received{ // accepted by the hook before it changed
		Delivery: hodei.Delivery{HookID: h.ID, Event: "pull_request", Status: hodei.DeliveryPending}, Body: fmt.Appendf(nil, forkOf, 3),
	})
	require.NoError(t, err)
	require.NoError(t, b.nc.Publish(schemas.DeliverySubject, nil))
	got := b.decided(h)[2]
	require.Equal(t, d.ID, got.ID)
	require.Equal(t, hodei.DeliveryBlocked, got.Status)
	require.Equal(t, hodei.ReasonFork, *got.Reason)
	require.Nil(t, got.RunID)
}
