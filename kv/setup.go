package kv

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/hodei-jobs/hodei/schemas"
)

// Lease is how long a worker's key is valid after its last renewal, Renew the
// interval of renewals.
const (
	Lease = 15 * time.Second
	Renew = Lease / 3
)

// maxConsumers is set on every stream. The server's default is 1000, and each
// follower of a log and each watcher is a consumer.
const maxConsumers = 20000

// LogWindow is how many chunks of each execution EXECUTION_LOGS keeps. A chunk
// has at least one line, so the window has at least as many lines.
const LogWindow = 1000

// Storage configures how the streams and the bucket are stored.
type Storage struct {
	Replicas int // 1 when 0
	// MaxBytes limits the streams, and NATS reserves this space: two thirds for
	// logs, one third for events. Default: 3 GiB.
	MaxBytes int64
}

// thresholds are the limits beyond which a stream is unhealthy. They are in the metadata of
// the stream, in the keys that `nats server check stream` reads, so that every tool applies
// the same ones.
func thresholds(replicas int) map[string]string {
	const prefix = "io.nats.monitor."
	limits := map[string]string{prefix + "enabled": "true"}
	if replicas > 1 {
		limits[prefix+"peer-expect"] = strconv.Itoa(replicas)
		limits[prefix+"peer-lag-critical"] = "10000" // messages
		limits[prefix+"peer-seen-critical"] = "30s"
	}
	return limits
}

// Setup creates the streams and the buckets, or brings them up to date. It is
// idempotent and safe to run from several instances at once. One that fails
// does not keep the others from being set up.
func Setup(ctx context.Context, js jetstream.JetStream, s Storage) error {
	replicas, bytes := max(s.Replicas, 1), cmp.Or(s.MaxBytes, 3<<30)
	streams := []jetstream.StreamConfig{{
		Name: schemas.LogStream, Subjects: []string{schemas.LogSubjects},
		Description:       "The last chunks of each execution's log; the record is in Postgres",
		MaxMsgsPerSubject: LogWindow, MaxAge: 24 * time.Hour, MaxBytes: bytes - bytes/3,
	}, {
		Name: schemas.EventStream, Subjects: []string{schemas.EventSubjects, schemas.RunEventSubjects},
		Description: "What happened to executions and runs, published after the commit",
		MaxAge:      7 * 24 * time.Hour, MaxBytes: bytes / 3,
	}}
	var errs []error
	for _, cfg := range streams {
		cfg.Storage, cfg.Discard, cfg.AllowDirect = jetstream.FileStorage, jetstream.DiscardOld, true
		cfg.MaxConsumers, cfg.Replicas, cfg.Metadata = maxConsumers, replicas, thresholds(replicas)
		if _, err := js.CreateOrUpdateStream(ctx, cfg); err != nil {
			errs = append(errs, fmt.Errorf("set up stream %s: %w", cfg.Name, err))
		}
	}
	buckets := []jetstream.KeyValueConfig{{
		Bucket: schemas.WorkersBucket, Description: "Each worker's report of its slots, renewed as its lease",
		TTL: Lease, LimitMarkerTTL: time.Minute,
	}, {
		Bucket: schemas.LeadersBucket, Description: "The instance of a service that leads, renewed as its lease",
		TTL: Term,
	}}
	for _, cfg := range buckets {
		cfg.History, cfg.Storage, cfg.Replicas, cfg.Metadata = 1, jetstream.FileStorage, replicas, thresholds(replicas)
		if _, err := js.CreateOrUpdateKeyValue(ctx, cfg); err != nil {
			errs = append(errs, fmt.Errorf("set up bucket %s: %w", cfg.Bucket, err))
		}
	}
	return errors.Join(errs...)
}
