package system_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei/client"
	"github.com/hodei-jobs/hodei/internal/permit"
	"github.com/hodei-jobs/hodei/schemas"
	"github.com/hodei-jobs/hodei/services/access"
)

// TestAWorkerPublishesForItselfOnly: NATS does not check the subject for the reply, on which
// services and JetStream publish. While a worker that was taken over names those of others, the
// system works.
func TestAWorkerPublishesForItselfOnly(t *testing.T) {
	t.Parallel()
	g := secured(t, 3)
	cfg := config(t, g, 2)
	cfg.Access = &access.Config{}
	addrs, stop := run(t, cfg)
	own := g.workers[2]
	nc := g.as(permit.WorkerUser(own).Name)
	ctx, cancel := context.WithCancel(t.Context())
	var attack sync.WaitGroup
	defer attack.Wait()
	defer cancel()
	attack.Go(func() {
		for ; ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
			for _, reply := range []string{schemas.QueueFullSubject, schemas.LeaderSubject(schemas.SchedulerLease), "$JS.API.STREAM.PURGE.KV_WORKERS"} {
				_ = nc.PublishMsg(&nats.Msg{Subject: "$KV.WORKERS." + own.String(), Reply: reply, Data: []byte("{}")})
			}
			for _, reply := range []string{"$JS.API.STREAM.DELETE.KV_WORKERS", schemas.Root + "schedules.pause_all"} {
				_ = nc.PublishMsg(&nats.Msg{Subject: schemas.LeaveWorker.SubjectFor(own), Reply: reply, Data: []byte(`{}`)})
			}
		}
	})
	exercise(t, client.HTTP("http://"+addrs[0]), g.workers[:2])
	cancel()
	attack.Wait()
	require.NoError(t, stop())
}
