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
	// gather is for how long after a change what follows it may come together.
	// Ten thousand workers would otherwise wake everybody who watches a thousand
	// times a second: two schedulers took 30 % of a core for that, and 7.5 % so.
	gather = 100 * time.Millisecond
	// page is the most changes that are asked for at once.
	page = 512
	// heartbeat is how often the server says in silence that the watch is there;
	// two missing end it.
	heartbeat = 2 * time.Second
	// silence is how long one request for a change lasts.
	silence = 10 * time.Second
)

// Update is one change of the bucket.
type Update struct {
	WorkerID hodei.WorkerID
	// Availability is the worker's report, nil when its lease has ended.
	Availability *hodei.Availability
	// Synced is set on the one update, otherwise empty, that tells that
	// everything the bucket held at the start has been delivered.
	Synced bool
}

// Watch calls fn with what the bucket holds and then with every change, in
// order, until ctx is done (nil) or the watch breaks (an error; watch again):
// the connection or the bucket was lost, or a change was. Of several changes of
// one worker in a short time it may tell the last alone.
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
		if ctx.Err() != nil && w.js.Conn().IsConnected() { // else it would only hold up the next watch
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

// reading is one watch under way.
type reading struct {
	consumer jetstream.Consumer
	lost     <-chan nats.Status
	fn       func(Update)
	left     uint64 // of what the bucket held at the start
	told     uint64 // messages, which the server counts too
}

// await returns when there was a change, or none for a while.
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

// drain takes all that has come meanwhile.
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

// take tells what is in a batch, and returns how many messages that were.
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
			if err := r.tell(msg); err != nil {
				return n, err
			}
		}
	}
}

// tell passes a change on, unless one before it is missing.
func (r *reading) tell(msg jetstream.Msg) error {
	meta, err := msg.Metadata()
	if err != nil {
		return err
	}
	if r.told++; meta.Sequence.Consumer != r.told {
		return fmt.Errorf("change %d came in place of %d", meta.Sequence.Consumer, r.told)
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

// read turns a message into an update; a key or a value that no worker can have
// written is passed over, as if it were not there. Deletions and expiries have a
// header each. Fields of a later version are ignored.
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
