package kv

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// api is how long JetStream may take to answer.
const api = 5 * time.Second

// Consumer creates an ephemeral consumer for one reader: in memory, on one
// server, without acknowledgements. cfg selects the messages and sets how long
// the server keeps an unused consumer. If forget cannot delete the consumer
// because the server is unreachable, that timeout does.
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
