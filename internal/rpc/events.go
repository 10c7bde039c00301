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
	body, err := hodei.JSON(event)
	if err != nil {
		return fmt.Errorf("encode event: %w", err)
	}
	err = nc.PublishMsg(&nats.Msg{
		Subject: schemas.EventSubject(event.Type, event.Execution.ID), Data: body, Header: nats.Header{schemas.HeaderEvent: {event.Type}},
	})
	if err != nil {
		return fmt.Errorf("publish event: %w", err)
	}
	return nil
}
