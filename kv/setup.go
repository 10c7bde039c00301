package kv

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/hodei-jobs/hodei/schemas"
)

// Lease is how long a worker's key outlives its last renewal, Renew how often
// it is renewed.
const (
	Lease = 15 * time.Second
	Renew = Lease / 3
)

// maxConsumers is set on every stream, because the server's own default is
// 1000 and each follower of a log and each watcher is one.
const maxConsumers = 20000

// LogWindow is how many chunks of each execution EXECUTION_LOGS holds. A chunk
// has at least one line, so at least that many last lines are at hand.
const LogWindow = 1000

// leastShare is how many times smaller than they should be the streams may be
// made where storage is short: 32 MiB of logs, 16 MiB of events.
const leastShare = 64

// Setup creates the streams and the bucket, or brings them up to date. It is
// idempotent and safe to run from several instances at once. A server, or an
// account, that has not the room that the streams may grow to gets smaller ones:
// all they hold is in Postgres too.
func Setup(ctx context.Context, js jetstream.JetStream, replicas int) error {
	err := setUpStreams(ctx, js, replicas, 1)
	for share := int64(2); share <= leastShare && short(err); share *= 2 {
		err = setUpStreams(ctx, js, replicas, share)
	}
	if err != nil {
		return err
	}
	_, err = js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{
		Bucket: schemas.WorkersBucket, Description: "Each worker's own word on its slots, renewed as its lease",
		TTL: Lease, LimitMarkerTTL: time.Minute, History: 1, Storage: jetstream.FileStorage, Replicas: replicas,
	})
	if err != nil {
		return fmt.Errorf("set up bucket %s: %w", schemas.WorkersBucket, err)
	}
	return nil
}

// short reports whether storage that a stream asks for cannot be had. The codes
// are the server's, which the client does not name.
func short(err error) bool {
	const insufficient, exceeded = 10023, 10047
	var said *jetstream.APIError
	return errors.As(err, &said) && (said.ErrorCode == insufficient || said.ErrorCode == exceeded)
}

func setUpStreams(ctx context.Context, js jetstream.JetStream, replicas int, share int64) error {
	streams := []jetstream.StreamConfig{{
		Name: schemas.LogStream, Subjects: []string{schemas.LogSubjects},
		Description:       "The last chunks of each execution's log; the record is in Postgres",
		MaxMsgsPerSubject: LogWindow, MaxAge: 24 * time.Hour, MaxBytes: 2 << 30 / share,
	}, {
		Name: schemas.EventStream, Subjects: []string{schemas.EventSubjects},
		Description: "What happened to executions, published after the commit",
		MaxAge:      7 * 24 * time.Hour, MaxBytes: 1 << 30 / share,
	}}
	for _, cfg := range streams {
		cfg.Storage, cfg.Discard, cfg.AllowDirect = jetstream.FileStorage, jetstream.DiscardOld, true
		cfg.MaxConsumers, cfg.Replicas = maxConsumers, replicas
		if _, err := js.CreateOrUpdateStream(ctx, cfg); err != nil {
			return fmt.Errorf("set up stream %s: %w", cfg.Name, err)
		}
	}
	return nil
}
