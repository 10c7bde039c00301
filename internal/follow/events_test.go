package follow_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/follow"
	"github.com/hodei-jobs/hodei/internal/local/localtest"
	"github.com/hodei-jobs/hodei/kv"
	"github.com/hodei-jobs/hodei/schemas"
)

func TestMain(m *testing.M) { localtest.VerifyNoLeaks(m) }

func publish(t *testing.T, nc *nats.Conn, id hodei.ExecutionID, status hodei.ExecutionStatus) {
	t.Helper()
	body, err := hodei.JSON(schemas.Event{Type: schemas.EventStarted, Execution: hodei.Execution{ID: id, Status: status}})
	require.NoError(t, err)
	_, err = nc.Request(schemas.EventSubject(schemas.EventStarted, id), body, time.Minute) // answered when the stream has it
	require.NoError(t, err)
}

// Events continues after a lost stream is recreated, and reports the loss.
func TestFollowEventsOfALostStream(t *testing.T) {
	t.Parallel()
	nc, _ := localtest.JetStream(t)
	id := hodei.ExecutionID(uuid.Must(uuid.NewV7()))
	for range 3 {
		publish(t, nc, id, hodei.Running)
	}
	events := make(chan follow.RawEvent, 100)
	run(t, func(ctx context.Context) error {
		_, err := follow.Events(ctx, follow.EventsConfig{NATS: nc, Follow: true, NoWorkers: true},
			func(e follow.RawEvent) error { events <- e; return nil })
		return err
	})
	require.Equal(t, follow.RawEvent{Sequence: 3}, <-events)
	publish(t, nc, id, hodei.Completed)
	require.Equal(t, uint64(4), (<-events).Sequence)
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	require.NoError(t, js.DeleteStream(t.Context(), schemas.EventStream))
	require.NoError(t, kv.Setup(t.Context(), js, kv.Storage{}))
	h := <-events
	require.Equal(t, schemas.FeedResync, h.Kind)
	require.Equal(t, uint64(0), h.Sequence)
	publish(t, nc, id, hodei.Running)
	require.Equal(t, uint64(1), (<-events).Sequence)
}
