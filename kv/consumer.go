package kv

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// api is how long JetStream may take to answer.
const api = 5 * time.Second

// Consumer makes a consumer for one reader, who needs it no longer than it
// reads: in memory, on one server, without acknowledgements. The configuration
// says what it reads, and for how long the server keeps it unread. What forget
// cannot delete, because the server is not there to ask, is left to that.
func Consumer(ctx context.Context, js jetstream.JetStream, stream string, cfg jetstream.ConsumerConfig) (
	consumer jetstream.Consumer, forget func() error, err error) {
	cfg.AckPolicy, cfg.MemoryStorage, cfg.Replicas = jetstream.AckNonePolicy, true, 1
	create, cancel := context.WithTimeout(ctx, api)
	defer cancel()
	if consumer, err = js.CreateConsumer(create, stream, cfg); err != nil {
		return nil, nil, fmt.Errorf("create consumer: %w", err)
	}
	name := consumer.CachedInfo().Name
	return consumer, func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), api)
		defer cancel()
		return js.DeleteConsumer(ctx, stream, name)
	}, nil
}
