package system_test

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei/internal/permit"
	"github.com/hodei-jobs/hodei/schemas"
)

// try lets a user publish and subscribe, and returns what NATS has refused.
func (g *guarded) try(nc *nats.Conn, publish, subscribe []string) map[string]bool {
	g.t.Helper()
	g.violations()
	for _, subject := range publish {
		msg := nats.NewMsg(subject)
		msg.Header.Set(schemas.HeaderCaller, `{"kind":"token","name":"root","role":"admin"}`)
		require.NoError(g.t, nc.PublishMsg(msg))
	}
	for _, subject := range subscribe {
		_, err := nc.SubscribeSync(subject)
		require.NoError(g.t, err)
	}
	require.NoError(g.t, nc.Flush())
	all := append(append([]string{}, publish...), subscribe...)
	refused := map[string]bool{}
	for range 100 { // errors arrive in another goroutine
		for _, text := range g.violations() {
			for _, subject := range all {
				if len(text) > len(subject) && text[len(text)-len(subject)-1:] == subject+`"` {
					refused[subject] = true
				}
			}
		}
		if len(refused) == len(all) {
			break
		}
		time.Sleep(time.Millisecond)
	}
	return refused
}

// TestForbiddenSubjects tries what a user that was taken over would: to speak for others, to
// answer for others, to read what is for others, and to command JetStream.
func TestForbiddenSubjects(t *testing.T) {
	t.Parallel()
	g := guard(t, 2, nil)
	own, other := g.workers[0], g.workers[1]
	of := func(op *schemas.Op) string { return op.SubjectFor(other) }
	jetstream := []string{
		"$JS.API.STREAM.DELETE.EXECUTION_EVENTS", "$JS.API.STREAM.PURGE.EXECUTION_LOGS", "$JS.API.STREAM.CREATE.MINE", "$JS.API.STREAM.NAMES",
		"$JS.API.CONSUMER.CREATE.KV_LEADERS.x", "$JS.API.STREAM.MSG.GET.KV_WORKERS", "$JS.API.STREAM.SNAPSHOT.EXECUTION_LOGS",
	}
	for user, c := range map[string]struct{ publish, subscribe []string }{
		permit.WorkerUser(own).Name: {
			publish: append([]string{
				of(schemas.FinishExecutions.Op), of(schemas.JoinWorker.Op), of(schemas.LeaveWorker.Op), "execution.log." + other.String() + ".x",
				"$KV.WORKERS." + other.String(), "$KV.LEADERS.scheduler", "_INBOX.edge.x", "_INBOX.worker." + other.String() + ".x",
				of(schemas.RequestExecutions.Op), schemas.RegisterWorker.Subject, schemas.CreateToken.Subject, schemas.Authenticate.Subject,
				schemas.AssignExecution.Subject, "execution.event.completed.x", schemas.AccessSubject, schemas.LogsWantedSubject, schemas.HangUpSubject,
				schemas.StoredSubject(own), "$JS.API.CONSUMER.CREATE.EXECUTION_LOGS.x", "$JS.API.DIRECT.GET.KV_WORKERS",
			}, jetstream...),
			subscribe: []string{
				">", "_INBOX.>", "_INBOX.edge.>", "_INBOX.worker.>", "_INBOX.worker." + other.String() + ".>", of(schemas.RequestExecutions.Op), "execution.request.*",
				"execution.log.>", "execution.event.>", schemas.StoredSubject(other), "hodei.v1.>", schemas.CreateToken.Subject, schemas.Authenticate.Subject, "$KV.WORKERS.>", "$SYS.>", "$JS.>",
			},
		},
		schemas.Edge: {
			publish: append([]string{
				of(schemas.FinishExecutions.Op), of(schemas.RequestExecutions.Op), schemas.StartExecution.Subject, schemas.StopExecution.Subject,
				"execution.log." + other.String() + ".x", "$KV.WORKERS." + other.String(), "execution.event.completed.x", "_INBOX.orchestrator.x",
			}, jetstream...),
			subscribe: []string{">", "_INBOX.>", "_INBOX.orchestrator.>", "hodei.v1.>", schemas.CreateToken.Subject, "execution.request.*", "$SYS.>"},
		},
		schemas.Orchestrator: {
			publish:   append([]string{of(schemas.RequestExecutions.Op), schemas.CreateToken.Subject, "$KV.LEADERS.scheduler"}, jetstream...),
			subscribe: []string{">", "_INBOX.>", schemas.CreateToken.Subject, "hodei.v1.>", "execution.request.*", "execution.log.>"},
		},
	} {
		t.Run(user, func(t *testing.T) {
			nc := g.as(user)
			refused := g.try(nc, c.publish, c.subscribe)
			for _, subject := range append(c.publish, c.subscribe...) {
				require.True(t, refused[subject], "%s may use %s", user, subject)
			}
		})
	}
	nc := g.as(permit.WorkerUser(own).Name)
	require.Empty(t, g.try(nc, []string{"execution.log." + own.String() + ".x", "$KV.WORKERS." + own.String()}, []string{schemas.StoredSubject(own)}),
		"what is its own")
}
