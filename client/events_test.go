package client_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/client"
	"github.com/hodei-jobs/hodei/edge"
	"github.com/hodei-jobs/hodei/internal/local/localtest"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/kv"
	"github.com/hodei-jobs/hodei/schemas"
)

// eventful sets up a feed of events with both transports.
func eventful(t *testing.T) (*nats.Conn, map[string]*client.Client) {
	nc, _ := localtest.JetStream(t)
	e := edge.New(edge.Config{NATS: nc})
	localtest.Run(t, e.Run, e.Ready())
	return nc, map[string]*client.Client{"nats": client.NATS(nc), "http": client.HTTP("http://" + e.Addrs()[0])}
}

var errSeen = errors.New("seen enough")

func TestFollowEvents(t *testing.T) {
	t.Parallel()
	nc, clients := eventful(t)
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	workers, err := kv.OpenWorkers(t.Context(), js)
	require.NoError(t, err)
	worker := hodei.WorkerID(uuid.Must(uuid.NewV7()))
	require.NoError(t, workers.Put(t.Context(), hodei.Availability{WorkerID: worker, Type: "shell", Status: hodei.WorkerBusy, Slots: 3, Free: 3}))
	id, other := hodei.ExecutionID(uuid.Must(uuid.NewV7())), hodei.ExecutionID(uuid.Must(uuid.NewV7()))
	for name, c := range clients {
		t.Run(name, func(t *testing.T) {
			var states []schemas.WorkerState
			end, err := c.FollowEvents(t.Context(), schemas.FollowEventsRequest{}, func(n schemas.FeedEvent) error {
				states = append(states, *n.Worker)
				return nil
			})
			require.NoError(t, err)
			require.Len(t, states, 1)
			require.Equal(t, worker, states[0].WorkerID)
			require.Equal(t, 3, states[0].Availability.Free)

			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			go func() { // until it is received: the start of the stream is unknown
				for status := hodei.Pending; ctx.Err() == nil; status = hodei.Running {
					_ = rpc.PublishEvent(ctx, nc, schemas.Event{Type: schemas.EventStarted, Execution: hodei.Execution{ID: other, Status: status}})
					_ = rpc.PublishEvent(ctx, nc, schemas.Event{Type: schemas.EventStarted, Execution: hodei.Execution{ID: id, Status: status}})
					select {
					case <-ctx.Done():
					case <-time.After(5 * time.Millisecond):
					}
				}
			}()
			var last uint64
			seen := 0
			_, err = c.FollowEvents(ctx, schemas.FollowEventsRequest{ExecutionID: new(hodei.RefTo(id)), Follow: true}, func(n schemas.FeedEvent) error {
				require.Equal(t, id, n.Execution.Execution.ID)
				require.Greater(t, n.Sequence, last)
				require.Greater(t, n.Sequence, end.Sequence)
				last = n.Sequence
				if seen++; seen == 10 {
					return errSeen
				}
				return nil
			})
			require.ErrorIs(t, err, errSeen)
			cancel()
			_, err = c.FollowEvents(ctx, schemas.FollowEventsRequest{Follow: true}, func(schemas.FeedEvent) error { return nil })
			require.ErrorIs(t, err, hodei.Unavailable, "the context ends it")
		})
	}
}

// The longest event is larger than the longest line of a log: a command with every byte escaped.
func TestFollowEventsOfTheLargestCommand(t *testing.T) {
	t.Parallel()
	nc, clients := eventful(t)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	script := strings.Repeat("\x01", hodei.MaxCommand)
	spec := hodei.Spec{Command: hodei.Command{Shell: script}, Setup: hodei.Setup{After: script}}
	e := hodei.Execution{ID: hodei.ExecutionID(uuid.Must(uuid.NewV7())), Spec: spec, Outputs: map[string]string{"text": script[:hodei.MaxOutputs-4]}}
	go func() { // until it is received: the start of the stream is unknown
		for ctx.Err() == nil {
			_ = rpc.PublishEvent(ctx, nc, schemas.Event{Type: schemas.EventStarted, Execution: e})
			select {
			case <-ctx.Done():
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
	for name, c := range clients {
		_, err := c.FollowEvents(ctx, schemas.FollowEventsRequest{Only: "executions", Follow: true}, func(n schemas.FeedEvent) error {
			require.Equal(t, e.Spec, n.Execution.Execution.Spec)
			return errSeen
		})
		require.ErrorIs(t, err, errSeen, name)
	}
}
