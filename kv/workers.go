package kv

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
)

// Workers is the WORKERS bucket.
type Workers struct {
	js     jetstream.JetStream
	bucket jetstream.KeyValue
}

// OpenWorkers opens the bucket, which Setup must have created.
func OpenWorkers(ctx context.Context, js jetstream.JetStream) (*Workers, error) {
	bucket, err := js.KeyValue(ctx, schemas.WorkersBucket)
	if err != nil {
		return nil, fmt.Errorf("open bucket %s: %w", schemas.WorkersBucket, err)
	}
	return &Workers{js: js, bucket: bucket}, nil
}

// Put writes the worker's word and renews its lease. Only that worker may.
func (w *Workers) Put(ctx context.Context, a hodei.Availability) error {
	body, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("encode availability: %w", err)
	}
	if _, err := w.bucket.Put(ctx, a.WorkerID.String(), body); err != nil {
		return fmt.Errorf("put availability of %s: %w", a.WorkerID, err)
	}
	return nil
}

// Delete ends the lease of a worker that leaves. Only that worker may.
func (w *Workers) Delete(ctx context.Context, id hodei.WorkerID) error {
	if err := w.bucket.Delete(ctx, id.String()); err != nil {
		return fmt.Errorf("delete availability of %s: %w", id, err)
	}
	return nil
}
