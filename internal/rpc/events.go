package rpc

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
)

// PublishEvent publishes an event after the commit that it reports.
// EXECUTION_EVENTS stores it; the caller does not wait for that, because the
// record is already durable. The environment is left out: it can be large and
// private, and every follower receives every event.
func PublishEvent(ctx context.Context, nc *nats.Conn, event schemas.Event) error {
	event.RequestID = RequestID(ctx)
	event.Execution.Environment = nil
	return publish(nc, event.Type, event.Execution.ID, event)
}

// PublishRunEvent is PublishEvent for an event of a run, whose jobs are left out.
func PublishRunEvent(ctx context.Context, nc *nats.Conn, event schemas.RunEvent) error {
	event.RequestID = RequestID(ctx)
	event.Run.Jobs = nil
	return publish(nc, event.Type, event.Run.ID, event)
}

func publish(nc *nats.Conn, kind string, id fmt.Stringer, event any) error {
	body, err := hodei.JSON(event)
	if err != nil {
		return fmt.Errorf("encode event: %w", err)
	}
	if err := nc.Publish(schemas.EventSubject(kind, id), body); err != nil {
		return fmt.Errorf("publish event: %w", err)
	}
	return nil
}
