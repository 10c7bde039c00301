package follow

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/kv"
	"github.com/hodei-jobs/hodei/schemas"
)

const (
	// inactive is how long the server keeps an unused consumer that was not
	// deleted.
	inactive = 30 * time.Second
	// heartbeat is the interval of the server's heartbeats; two missing ones
	// are a failure.
	heartbeat = 5 * time.Second
	// overlap is how far before the last message a new consumer starts, because
	// the clocks of two servers may differ.
	overlap = 10 * time.Second
	// ahead limits the chunks in flight, which bounds the memory of a burst
	// beside the ring.
	ahead = 128
	// api is how long JetStream may take to answer.
	api = 5 * time.Second
)

// Run follows the execution until it has ended or ctx is done, and then returns
// nil. It fails if the record cannot be read at the start, and later only if
// the execution no longer exists or the connection was closed; it waits for
// NATS to recover from anything else.
func (f *Feed) Run(ctx context.Context) (err error) {
	defer func() { f.stop(err) }()
	defer context.AfterFunc(ctx, func() { f.stop(nil) })() // at once, even if NATS is slow
	// Subscribe before reading the status; otherwise an end event in between is
	// missed.
	sub, err := f.cfg.NATS.Subscribe(schemas.EventsOf(f.cfg.ID), func(msg *nats.Msg) {
		defer rpc.Recover(f.cfg.Log, "event")
		f.event(msg)
	})
	if err != nil {
		return Unavailable(err)
	}
	defer func() { _ = sub.Unsubscribe() }() // fails only after the connection is closed
	forget, err := f.subscribe()
	if err != nil {
		return Unavailable(err)
	}
	defer forget()
	if err := f.look(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	f.isFound()
	select {
	case <-ctx.Done():
		return nil
	case <-f.over:
		return nil
	case <-f.asked:
	case <-time.After(f.cfg.Soon):
	}
	js, err := jetstream.New(f.cfg.NATS)
	if err != nil {
		return fmt.Errorf("follow %s: %w", f.cfg.ID, err)
	}
	err = f.keepUp(ctx, js)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// subscribe receives chunks as they are published, until forget is called.
// Chunks that arrive faster than they are processed are dropped, and read from
// the record.
func (f *Feed) subscribe() (forget func(), err error) {
	sub, err := f.cfg.NATS.Subscribe(schemas.LogOf(f.cfg.ID), func(msg *nats.Msg) {
		defer rpc.Recover(f.cfg.Log, "log chunk")
		f.take(msg.Subject, msg.Header, msg.Data, time.Now())
	})
	if err != nil {
		return nil, err
	}
	if err := sub.SetPendingLimits(-1, f.cfg.Ring); err != nil {
		return nil, err
	}
	return func() { _ = sub.Unsubscribe() }, nil // fails only after the connection is closed
}

// keepUp reads the window, once and after each failure of NATS, and checks the
// record meanwhile, until the end.
func (f *Feed) keepUp(ctx context.Context, js jetstream.JetStream) error {
	status := f.cfg.NATS.StatusChanged(nats.RECONNECTING, nats.CONNECTED)
	defer f.cfg.NATS.RemoveStatusListener(status)
	pause := NewPause()
	for {
		began := time.Now()
		err := whileConnected(ctx, status, func(ctx context.Context) error {
			if err := f.window(ctx, js); err != nil {
				return err
			}
			return f.watch(ctx)
		})
		if err == nil || ctx.Err() != nil || Final(err) {
			return err
		}
		if f.cfg.NATS.IsClosed() {
			return Unavailable(nats.ErrConnectionClosed)
		}
		f.cfg.Log.Debug("log window to be read again", "err", err)
		f.caughtUp() // continue with what there is
		if time.Since(began) > api {
			pause.Reset()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-f.over:
			return nil
		case <-status:
			pause.Reset()
		case <-time.After(pause.NextBackOff()):
		}
		if err := whileConnected(ctx, status, f.look); err != nil && Final(err) {
			return err
		}
	}
}

var errConnection = errors.New("connection lost or re-established")

// whileConnected cancels fn when the connection changes, because earlier
// requests are never answered.
func whileConnected(ctx context.Context, status <-chan nats.Status, fn func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-status:
			cancel(errConnection)
		case <-ctx.Done():
		}
	})
	defer watch.Wait()
	defer cancel(nil)
	return fn(ctx)
}

// window reads the content of the window and then returns nil, also at the end.
//
// Later lines arrive through the subscription. With a permanent consumer, the
// server would keep each block of the stream in memory for ten seconds after it
// was written, which in a flood is more than a gigabyte.
//
// The consumer is like JetStream's ordered one but without the order: the
// lines' own sequences show order and gaps. A new consumer starts at a time
// instead of a sequence of the stream, because a recreated stream counts from
// 1.
func (f *Feed) window(ctx context.Context, js jetstream.JetStream) (err error) {
	cfg := jetstream.ConsumerConfig{FilterSubject: schemas.LogOf(f.cfg.ID), InactiveThreshold: inactive}
	if since := f.lastTaken(); !since.IsZero() {
		start := since.Add(-overlap)
		cfg.DeliverPolicy, cfg.OptStartTime = jetstream.DeliverByStartTimePolicy, &start
	}
	consumer, forget, err := kv.Consumer(ctx, js, schemas.LogStream, cfg)
	if err != nil {
		return err
	}
	defer func() {
		if err == nil || errors.Is(err, context.Canceled) { // otherwise the server may be unreachable
			if err := forget(); err != nil {
				f.cfg.Log.Debug("log consumer left to expire", "err", err)
			}
		}
	}()
	defer func() {
		if err == nil {
			f.caughtUp()
		}
	}()
	pending := consumer.CachedInfo().NumPending
	if pending == 0 {
		return nil
	}
	done, broken := make(chan struct{}), make(chan error, 1) // one is enough to end it
	consuming, err := consumer.Consume(func(msg jetstream.Msg) {
		defer rpc.Recover(f.cfg.Log, "log chunk")
		if left := f.message(msg); pending > 0 {
			if pending = min(pending-1, left); pending == 0 {
				close(done)
			}
		}
	}, jetstream.PullMaxMessages(ahead), jetstream.PullExpiry(2*inactive), jetstream.PullHeartbeat(heartbeat),
		jetstream.ConsumeErrHandler(func(_ jetstream.ConsumeContext, err error) {
			select {
			case broken <- err:
			default:
			}
		}))
	if err != nil {
		return fmt.Errorf("consume: %w", err)
	}
	defer func() { consuming.Stop(); <-consuming.Closed() }()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case err := <-broken:
		return err
	case <-done:
	case <-f.over:
	}
	return nil
}

// watch checks the record at intervals, and frequently while a line is missing.
func (f *Feed) watch(ctx context.Context) error {
	pause := NewPause()
	for {
		wait := f.cfg.Look
		if f.hasHole() {
			wait = pause.NextBackOff()
		} else {
			pause.Reset()
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-f.over:
			return nil
		case <-f.holed:
		case <-time.After(wait):
			if err := f.look(ctx); err != nil && Final(err) {
				return err
			}
		}
	}
}
