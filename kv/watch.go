package kv

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
)

const (
	// gather is how long changes are collected after the first. Without it, ten
	// thousand workers wake every watcher a thousand times a second: two
	// schedulers took 30 % of a core for that, and take 7.5 % with it.
	gather = 100 * time.Millisecond
	// page is the maximum number of changes in one request.
	page = 512
	// heartbeat is the interval of the server's heartbeats during silence. Two
	// missing heartbeats end the watch.
	heartbeat = 2 * time.Second
	// silence is how long one request for changes lasts.
	silence = 10 * time.Second
)

// Update is one change of the bucket.
type Update struct {
	WorkerID hodei.WorkerID
	// Availability is the worker's report, nil if its lease has ended.
	Availability *hodei.Availability
	// Synced marks the one update, otherwise empty, that follows the initial
	// content of the bucket.
	Synced bool
}

// Watch calls fn with the content of the bucket and then with every change, in
// order. It returns nil when ctx is done, and an error if the connection, the
// bucket or a change was lost; the caller then watches again. Of several
// changes of one worker in a short time, fn may receive only the last.
func (w *Workers) Watch(ctx context.Context, fn func(Update)) error {
	if err := w.watch(ctx, fn); err != nil && ctx.Err() == nil {
		return fmt.Errorf("watch bucket %s: %w", schemas.WorkersBucket, err)
	}
	return nil
}

func (w *Workers) watch(ctx context.Context, fn func(Update)) error {
	lost := w.js.Conn().StatusChanged(nats.RECONNECTING, nats.CLOSED)
	defer w.js.Conn().RemoveStatusListener(lost)
	consumer, forget, err := Consumer(ctx, w.js, schemas.WorkersStream, jetstream.ConsumerConfig{
		FilterSubject: schemas.WorkersSubjects, DeliverPolicy: jetstream.DeliverLastPerSubjectPolicy, InactiveThreshold: 2 * silence,
	})
	if err != nil {
		return err
	}
	defer func() {
		if ctx.Err() != nil && w.js.Conn().IsConnected() { // otherwise it would only delay the next watch
			_ = forget()
		}
	}()
	r := &reading{consumer: consumer, lost: lost, left: consumer.CachedInfo().NumPending, fn: fn}
	if r.left == 0 {
		fn(Update{Synced: true})
	} else if err := r.drain(ctx); err != nil {
		return err
	}
	for {
		if err := r.await(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(gather):
		}
		if err := r.drain(ctx); err != nil {
			return err
		}
	}
}

// reading is one watch in progress.
type reading struct {
	consumer jetstream.Consumer
	lost     <-chan nats.Status
	fn       func(Update)
	left     uint64 // of the initial content
	seen     uint64 // messages received, which the server counts too
}

// await returns after a change, or after a while without one.
func (r *reading) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, silence)
	defer cancel()
	batch, err := r.consumer.Fetch(1, jetstream.FetchContext(ctx), jetstream.FetchHeartbeat(heartbeat))
	if err != nil {
		return err
	}
	_, err = r.take(ctx, batch)
	if errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}

// drain reads all changes that have arrived.
func (r *reading) drain(ctx context.Context) error {
	for {
		batch, err := r.consumer.FetchNoWait(page)
		if err != nil {
			return err
		}
		if n, err := r.take(ctx, batch); err != nil || n < page {
			return err
		}
	}
}

// take processes a batch and returns its number of messages.
func (r *reading) take(ctx context.Context, batch jetstream.MessageBatch) (n int, err error) {
	for {
		select {
		case <-ctx.Done():
			return n, ctx.Err()
		case <-r.lost:
			return n, nats.ErrDisconnected
		case msg, more := <-batch.Messages():
			if !more {
				return n, batch.Error()
			}
			n++
			if err := r.deliver(msg); err != nil {
				return n, err
			}
		}
	}
}

// deliver passes a change to fn. It fails if an earlier change is missing.
func (r *reading) deliver(msg jetstream.Msg) error {
	meta, err := msg.Metadata()
	if err != nil {
		return err
	}
	if r.seen++; meta.Sequence.Consumer != r.seen {
		return fmt.Errorf("change %d came in place of %d", meta.Sequence.Consumer, r.seen)
	}
	if update, ok := read(msg); ok {
		r.fn(update)
	}
	if r.left > 0 {
		if r.left--; r.left == 0 || meta.NumPending == 0 {
			r.left = 0
			r.fn(Update{Synced: true})
		}
	}
	return nil
}

// read decodes a message. It ignores keys and values that no worker can have
// written. Deletions and expiries are marked by a header. Fields of a later
// version are ignored.
func read(msg jetstream.Msg) (Update, bool) {
	var update Update
	key := msg.Subject()[strings.LastIndexByte(msg.Subject(), '.')+1:]
	if err := update.WorkerID.UnmarshalText([]byte(key)); err != nil {
		return update, false
	}
	if msg.Headers().Get("KV-Operation") != "" || msg.Headers().Get(jetstream.MarkerReasonHeader) != "" {
		return update, true
	}
	value := new(hodei.Availability)
	if json.Unmarshal(msg.Data(), value) != nil || value.Validate() != nil || value.WorkerID != update.WorkerID {
		return update, false
	}
	update.Availability = value
	return update, true
}
