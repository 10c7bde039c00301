package system_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/client"
	"github.com/hodei-jobs/hodei/internal/local/localtest"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
)

// TestPlacedAtOnceOrQueued: if a worker is free and the queue is empty, an
// execution is created and assigned in one commit. Otherwise it is created
// first and queued.
func TestPlacedAtOnceOrQueued(t *testing.T) {
	t.Parallel()
	srv := secured(t, 1)
	_, stop := run(t, config(t, srv, 1))
	nc := localtest.Connect(t, srv.NATS)
	c := client.NATS(nc)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	pipeline, err := c.CreatePipeline(ctx, schemas.CreatePipelineRequest{Name: "place"})
	require.NoError(t, err)
	job, err := c.CreateJob(ctx, schemas.CreateJobRequest{
		PipelineID: hodei.RefTo(pipeline.ID), RunRequest: schemas.RunRequest{Command: &hodei.Command{Shell: "true"}},
	})
	require.NoError(t, err)
	all, err := nc.SubscribeSync(">")
	require.NoError(t, err)
	require.NoError(t, nc.Flush())
	// way returns the listed requests and the events until the execution has
	// ended.
	way := func(id hodei.ExecutionID) (way []string, events []schemas.Event) {
		for {
			msg, err := all.NextMsg(20 * time.Second)
			require.NoError(t, err)
			var event schemas.Event
			_ = json.Unmarshal(msg.Data, &event) // most messages are no events
			switch {
			case event.Type != "" && msg.Subject == schemas.EventSubject(event.Type, id):
				way, events = append(way, event.Type), append(events, event)
				if event.Execution.Status.Ended() {
					return way, events
				}
			case mentions(msg, id) && strings.HasPrefix(msg.Subject, "hodei.v1.") && !strings.HasPrefix(msg.Subject, schemas.FinishExecutions.Subject):
				way = append(way, msg.Subject)
			}
		}
	}

	patient := schemas.Waiting{WaitSeconds: new(20.0)}
	placed, err := c.ExecuteJob(ctx, schemas.ExecuteJobRequest{ID: job.ID, Waiting: patient})
	require.NoError(t, err)
	require.Equal(t, hodei.Running, placed.Status)
	require.NotNil(t, placed.WorkerID)
	require.NotNil(t, placed.StartedAt)
	seen, events := way(placed.ExecutionID)
	require.Equal(t, []string{
		schemas.PlaceExecution.Subject, schemas.StartExecution.Subject,
		schemas.EventCreated, schemas.EventStarted, schemas.EventCompleted,
	}, seen)
	require.Equal(t, hodei.Running, events[0].Execution.Status, "it was never PENDING")
	require.Equal(t, job.ID, *events[0].Execution.JobID)
	require.Equal(t, pipeline.ID, *events[0].Execution.PipelineID)

	waits, err := c.Execute(ctx, schemas.ExecuteRequest{RunRequest: schemas.RunRequest{
		Command: &hodei.Command{Shell: "true"}, Requirements: &hodei.Requirements{Type: new("nobody")},
	}})
	require.NoError(t, err)
	// Its created event queues it too, but at an unknown time.
	_, err = rpc.Call(ctx, nc, schemas.Schedule, schemas.ScheduleRequest{ExecutionID: new(hodei.RefTo(waits.ID))})
	require.NoError(t, err)
	queued, err := c.ExecuteJob(ctx, schemas.ExecuteJobRequest{ID: job.ID, Waiting: patient})
	require.NoError(t, err)
	require.Equal(t, hodei.Running, queued.Status)
	seen, _ = way(queued.ExecutionID)
	require.Len(t, seen, 6, "one request to the scheduler: %v", seen)
	require.Contains(t, seen, schemas.Schedule.Subject)
	// The created event may have it assigned before that request arrives.
	seen = slices.DeleteFunc(seen, func(step string) bool { return step == schemas.Schedule.Subject })
	require.Equal(t, []string{
		schemas.PlaceExecution.Subject, schemas.EventCreated, schemas.AssignExecutions.Subject,
		schemas.EventStarted, schemas.EventCompleted,
	}, seen, "it must not overtake the queue")
	_, err = c.CancelExecution(ctx, schemas.CancelExecutionRequest{ID: hodei.RefTo(waits.ID)})
	require.NoError(t, err)
	require.NoError(t, stop())
}

func mentions(msg *nats.Msg, id hodei.ExecutionID) bool {
	return msg.Reply != "" && strings.Contains(string(msg.Data), id.String())
}
