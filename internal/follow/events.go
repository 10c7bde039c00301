package follow

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/kv"
	"github.com/hodei-jobs/hodei/schemas"
)

// RawEvent is a FeedEvent in JSON.
type RawEvent struct {
	Sequence uint64
	// Kind is that of the frame, such as schemas.FeedExecution. It is "" once,
	// when the position in the stream is known and the state of each worker has
	// been sent.
	Kind string
	Data []byte // JSON
}

// Decode decodes the event.
func (r RawEvent) Decode() (n schemas.FeedEvent, err error) {
	n.Sequence = r.Sequence
	switch r.Kind {
	case schemas.FeedExecution:
		err = json.Unmarshal(r.Data, &n.Execution)
	case schemas.FeedRun:
		err = json.Unmarshal(r.Data, &n.Run)
	case schemas.FeedWorker:
		err = json.Unmarshal(r.Data, &n.Worker)
	case schemas.FeedResync:
		err = json.Unmarshal(r.Data, &n.Resync)
	}
	if err == nil && r.Kind != "" && n == (schemas.FeedEvent{Sequence: n.Sequence}) { // `null`, or a kind of a later version
		err = fmt.Errorf("%s of no content", r.Kind)
	}
	return n, err
}

// EventsConfig configures Events. NATS is required.
type EventsConfig struct {
	NATS *nats.Conn
	Log  *slog.Logger
	// Resume starts with the event that follows After, the last known one; After is 0 if
	// there was none yet. Otherwise, Events starts with new events.
	Resume bool
	After  uint64
	// Follow continues after the existing events.
	Follow bool
	// NoWorkers and NoExecutions exclude these events.
	NoWorkers, NoExecutions bool
}

// eventSource is the source of events over NATS: one consumer of
// EXECUTION_EVENTS and one watch of the WORKERS bucket. Each restarts after a
// failure, the consumer after its last event.
type eventSource struct {
	cfg EventsConfig
	js  jetstream.JetStream

	mu    sync.Mutex // held while fn runs
	fn    func(RawEvent) error
	known bool // last is a position in the stream
	last  uint64
	lacks int // sources that have not started yet

	reported bool
}

// Events calls fn, from one goroutine at a time, with events until ctx is done
// or, without Follow, there are no more. It returns the last sequence, or the
// error of fn.
func Events(ctx context.Context, cfg EventsConfig, fn func(RawEvent) error) (uint64, error) {
	cfg.Log = cmp.Or(cfg.Log, slog.New(slog.DiscardHandler))
	js, err := jetstream.New(cfg.NATS)
	if err != nil {
		return 0, fmt.Errorf("follow events: %w", err)
	}
	s := &eventSource{cfg: cfg, js: js, fn: fn, known: cfg.Resume, last: cfg.After}
	sources := map[string]func(context.Context) error{"events": s.executions, "workers": s.workers}
	if cfg.NoExecutions {
		delete(sources, "events")
	}
	if cfg.NoWorkers {
		delete(sources, "workers")
	}
	s.lacks = len(sources)
	g, ctx := errgroup.WithContext(ctx)
	for what, source := range sources {
		g.Go(func() error {
			return rpc.Try(cfg.Log, "source of "+what, func() error { return s.keep(ctx, what, source) })
		})
	}
	err = g.Wait()
	return s.last, err
}

// errReceiver is the error of fn.
type errReceiver struct{ error }

func (e errReceiver) Unwrap() error { return e.error }

// keep restarts one source after each failure.
func (s *eventSource) keep(ctx context.Context, what string, source func(context.Context) error) error {
	status := s.cfg.NATS.StatusChanged(nats.RECONNECTING, nats.CONNECTED)
	defer s.cfg.NATS.RemoveStatusListener(status)
	pause := NewPause()
	for {
		began := time.Now()
		err := whileConnected(ctx, status, source)
		var refused errReceiver
		switch {
		case errors.As(err, &refused):
			return refused.error
		case err == nil || ctx.Err() != nil:
			return nil
		case s.cfg.NATS.IsClosed():
			return Unavailable(nats.ErrConnectionClosed)
		case !s.cfg.Follow:
			return Unavailable(err)
		}
		s.cfg.Log.Debug("source of events to be renewed", "source", what, "err", err)
		if time.Since(began) > api {
			pause.Reset()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-status:
		case <-time.After(pause.NextBackOff()):
		}
	}
}

func (s *eventSource) emit(kind string, data []byte) error {
	if err := s.fn(RawEvent{Sequence: s.last, Kind: kind, Data: data}); err != nil {
		return errReceiver{err}
	}
	return nil
}

// eventsAhead bounds the bytes of events in flight. Each event has a command of
// up to 128 KiB, so limiting the number of events would not suffice.
const eventsAhead = 16 << 20

// executions consumes events from the last position.
func (s *eventSource) executions(ctx context.Context) error {
	until, err := s.place(ctx)
	if err != nil || !s.cfg.Follow && until <= s.last {
		return err
	}
	consumer, forget, err := kv.Consumer(ctx, s.js, schemas.EventStream, jetstream.ConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: s.last + 1, InactiveThreshold: inactive,
	})
	if err != nil {
		return err
	}
	defer func() { _ = forget() }() // otherwise it expires

	over := make(chan error, 1) // one is enough to end it
	end := func(err error) {
		select {
		case over <- err:
		default:
		}
	}
	consuming, err := consumer.Consume(func(msg jetstream.Msg) {
		defer rpc.Recover(s.cfg.Log, "event")
		if err := s.message(msg); err != nil || !s.cfg.Follow && s.reached(until) {
			end(err)
		}
	}, jetstream.PullMaxBytes(eventsAhead), jetstream.PullExpiry(2*inactive), jetstream.PullHeartbeat(heartbeat),
		jetstream.ConsumeErrHandler(func(_ jetstream.ConsumeContext, err error) { end(err) }))
	if err != nil {
		return fmt.Errorf("consume: %w", err)
	}
	defer func() { consuming.Stop(); <-consuming.Closed() }()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case err := <-over:
		return err
	}
}

func (s *eventSource) message(msg jetstream.Msg) error {
	meta, err := msg.Metadata()
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if meta.Sequence.Stream <= s.last {
		return nil
	}
	s.last = meta.Sequence.Stream
	return s.emit(schemas.FeedOf(msg.Subject()), msg.Data())
}

func (s *eventSource) reached(until uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last >= until
}

// place determines where to start, and returns the last event. If the stream no
// longer has the next event, or was recreated, it reports a loss.
func (s *eventSource) place(ctx context.Context) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, api)
	defer cancel()
	stream, err := s.js.Stream(ctx, schemas.EventStream)
	if err != nil {
		return 0, fmt.Errorf("look up stream: %w", err)
	}
	state := stream.CachedInfo().State
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !s.known:
		s.known, s.last = true, state.LastSeq
		return state.LastSeq, s.begun()
	case s.last > state.LastSeq:
		s.last = state.LastSeq
		return state.LastSeq, s.resync("the stream of events was recreated")
	case state.FirstSeq > s.last+1:
		s.last = state.FirstSeq - 1
		return state.LastSeq, s.resync("the events since are no longer kept")
	}
	return state.LastSeq, nil
}

// begun records that a source has started. The caller holds the lock.
func (s *eventSource) begun() error {
	if s.lacks--; s.lacks != 0 {
		return nil
	}
	return s.emit("", nil)
}

func (s *eventSource) resync(reason string) error {
	body, err := hodei.JSON(schemas.Resync{Reason: reason})
	if err != nil {
		return err
	}
	return s.emit(schemas.FeedResync, body)
}

var errAll = errors.New("that is all")

// workers sends each worker's state and then every change.
func (s *eventSource) workers(ctx context.Context) error {
	bucket, err := kv.OpenWorkers(ctx, s.js)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	err = bucket.Watch(ctx, func(u kv.Update) {
		if u.Synced {
			if err := s.synced(); err != nil {
				cancel(err)
			} else if !s.cfg.Follow {
				cancel(errAll)
			}
			return
		}
		body, err := hodei.JSON(schemas.WorkerState{WorkerID: u.WorkerID, Availability: u.Availability})
		if err != nil {
			return // strings and numbers always encode
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if ctx.Err() == nil {
			if err := s.emit(schemas.FeedWorker, body); err != nil {
				cancel(err)
			}
		}
	})
	if cause := context.Cause(ctx); err == nil && !errors.Is(cause, errAll) {
		return cause
	}
	return err
}

// synced records that every worker's state has been sent.
func (s *eventSource) synced() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reported {
		return nil // a restarted watch
	}
	s.reported = true
	return s.begun()
}
