package kv

import (
	"context"
	"encoding/json"
	"errors"
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

// Update is one change of the bucket.
type Update struct {
	WorkerID hodei.WorkerID
	// Availability is the worker's word, nil when its lease has ended.
	Availability *hodei.Availability
	// Synced is set on the one update, otherwise empty, that tells that
	// everything the bucket held at the start has been delivered.
	Synced bool
}

// Watch calls fn with what the bucket holds and then with every change, in
// order, until ctx is done (nil) or the watch breaks (an error; watch again).
func (w *Workers) Watch(ctx context.Context, fn func(Update)) error {
	made, err := w.made(ctx)
	if err != nil {
		return fmt.Errorf("watch bucket %s: %w", schemas.WorkersBucket, err)
	}
	watcher, err := w.bucket.WatchAll(ctx)
	if err != nil {
		return fmt.Errorf("watch bucket %s: %w", schemas.WorkersBucket, err)
	}
	defer watcher.Stop()
	quiet := time.NewTimer(Renew)
	defer quiet.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-quiet.C:
			quiet.Reset(Renew)
			if again, err := w.made(ctx); err == nil && !again.Equal(made) || errors.Is(err, jetstream.ErrBucketNotFound) {
				return fmt.Errorf("watch bucket %s: it was lost, or made anew", schemas.WorkersBucket)
			}
		case entry, open := <-watcher.Updates():
			quiet.Reset(Renew)
			if !open {
				if ctx.Err() != nil {
					return nil
				}
				return fmt.Errorf("watch bucket %s: ended", schemas.WorkersBucket)
			}
			if update, ok := read(entry); ok {
				fn(update)
			}
		}
	}
}

// made is when the bucket was made. A watch outlives a bucket that is lost and
// made anew, and then waits for the revision at which it was, which may be hours
// away; so who watches in silence has to look.
func (w *Workers) made(ctx context.Context) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, Renew)
	defer cancel()
	bucket, err := w.js.Stream(ctx, "KV_"+schemas.WorkersBucket)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		err = jetstream.ErrBucketNotFound
	}
	if err != nil {
		return time.Time{}, err
	}
	return bucket.CachedInfo().Created, nil
}

// read turns an entry into an update; an entry that no worker of ours can have
// written is passed over.
func read(entry jetstream.KeyValueEntry) (Update, bool) {
	if entry == nil {
		return Update{Synced: true}, true
	}
	var update Update
	if err := update.WorkerID.UnmarshalText([]byte(entry.Key())); err != nil {
		return update, false
	}
	if entry.Operation() != jetstream.KeyValuePut {
		return update, true
	}
	update.Availability = new(hodei.Availability)
	return update, json.Unmarshal(entry.Value(), update.Availability) == nil
}
