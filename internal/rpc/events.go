package rpc

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
)

// PublishEvent tells the feed what was just committed. EXECUTION_EVENTS keeps
// it; nothing waits for that, because the record is already durable and the
// feed can be rebuilt from it. The environment is left out: it can be large and
// private, and every follower receives every event.
func PublishEvent(ctx context.Context, nc *nats.Conn, event schemas.Event) error {
	event.RequestID = RequestID(ctx)
	event.Execution.Environment = nil
	body, err := hodei.JSON(event)
	if err != nil {
		return fmt.Errorf("encode event: %w", err)
	}
	err = nc.PublishMsg(&nats.Msg{
		Subject: schemas.EventSubject(event.Execution.ID), Data: body, Header: nats.Header{schemas.HeaderEvent: {event.Type}},
	})
	if err != nil {
		return fmt.Errorf("publish event: %w", err)
	}
	return nil
}
