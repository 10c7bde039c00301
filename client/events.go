package client

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
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

// FollowEvents gives to fn what happens to executions, in order and none
// twice, and the workers' own words. Without req.Follow that is each worker's
// word now; with it, it goes on until ctx is done, through lost connections,
// and says by a Resync where events were lost all the same. An error of fn
// ends it and is returned.
func (c *Client) FollowEvents(ctx context.Context, req schemas.FollowEventsRequest, fn func(schemas.Notice) error) (schemas.EventsEnd, error) {
	return c.via.events(ctx, req, fn)
}

// Happening is a Notice as it travels.
type Happening struct {
	Sequence uint64
	// Kind is that of the frame: schemas.NoticeExecution and its like. It is
	// "" once, when it is known where the stream of executions is and each
	// worker's word has been told.
	Kind string
	Data []byte // JSON
}

// Notice decodes it.
func (h Happening) Notice() (n schemas.Notice, err error) {
	n.Sequence = h.Sequence
	switch h.Kind {
	case schemas.NoticeExecution:
		err = json.Unmarshal(h.Data, &n.Execution)
	case schemas.NoticeWorker:
		err = json.Unmarshal(h.Data, &n.Worker)
	case schemas.NoticeResync:
		err = json.Unmarshal(h.Data, &n.Resync)
	}
	if err == nil && h.Kind != "" && n.Execution == nil && n.Worker == nil && n.Resync == nil { // `null`, or a later kind
		err = fmt.Errorf("%s of no content", h.Kind)
	}
	return n, err
}

// HappeningsConfig says what to follow. NATS is required.
type HappeningsConfig struct {
	NATS *nats.Conn
	Log  *slog.Logger
	// After is the last event that is known; from now on where it is 0.
	After uint64
	// Follow goes on for ever; otherwise it ends with what there is.
	Follow bool
	// NoWorkers and NoExecutions leave out.
	NoWorkers, NoExecutions bool
}

// happenings is the source of events over NATS: one consumer of
// EXECUTION_EVENTS and one watch of the WORKERS bucket. Each is begun anew
// after trouble, and the consumer goes on where it was.
type happenings struct {
	cfg HappeningsConfig
	js  jetstream.JetStream

	mu    sync.Mutex // held while fn runs
	fn    func(Happening) error
	known bool // last is the place of something
	last  uint64
	lacks int // sources that have not begun yet

	wordsKnown bool
}

// Happenings calls fn, from one goroutine at a time, with what happens until
// ctx is done or what there is has been told, and returns the last sequence.
// It fails with what fn returns.
func Happenings(ctx context.Context, cfg HappeningsConfig, fn func(Happening) error) (uint64, error) {
	cfg.Log = cmp.Or(cfg.Log, slog.New(slog.DiscardHandler))
	js, err := jetstream.New(cfg.NATS)
	if err != nil {
		return 0, fmt.Errorf("follow events: %w", err)
	}
	h := &happenings{cfg: cfg, js: js, fn: fn, known: cfg.After > 0, last: cfg.After}
	sources := map[string]func(context.Context) error{"events": h.executions, "workers": h.workers}
	if cfg.NoExecutions {
		delete(sources, "events")
	}
	if cfg.NoWorkers {
		delete(sources, "workers")
	}
	h.lacks = len(sources)
	g, ctx := errgroup.WithContext(ctx)
	for what, source := range sources {
		g.Go(func() error {
			return rpc.Try(cfg.Log, "source of "+what, func() error { return h.keep(ctx, what, source) })
		})
	}
	err = g.Wait()
	return h.last, err
}

// errTold is what fn said.
type errTold struct{ error }

func (e errTold) Unwrap() error { return e.error }

// keep runs one source again after each trouble.
func (h *happenings) keep(ctx context.Context, what string, source func(context.Context) error) error {
	status := h.cfg.NATS.StatusChanged(nats.RECONNECTING, nats.CONNECTED)
	defer h.cfg.NATS.RemoveStatusListener(status)
	pause := newPause()
	for {
		began := time.Now()
		err := whileConnected(ctx, status, source)
		var told errTold
		switch {
		case errors.As(err, &told):
			return told.error
		case err == nil || ctx.Err() != nil:
			return nil
		case h.cfg.NATS.IsClosed():
			return unavailable(nats.ErrConnectionClosed)
		case !h.cfg.Follow:
			return unavailable(err)
		}
		h.cfg.Log.Debug("source of events to be renewed", "source", what, "err", err)
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

func (h *happenings) tell(kind string, data []byte) error {
	if err := h.fn(Happening{Sequence: h.last, Kind: kind, Data: data}); err != nil {
		return errTold{err}
	}
	return nil
}

// eventsAhead is how many bytes of events may be on their way. Each event has a
// command of up to 128 KiB, so a number of events would bound too little.
const eventsAhead = 16 << 20

// executions consumes events from where it was.
func (h *happenings) executions(ctx context.Context) error {
	until, err := h.place(ctx)
	if err != nil || !h.cfg.Follow && until <= h.last {
		return err
	}
	consumer, forget, err := kv.Consumer(ctx, h.js, schemas.EventStream, jetstream.ConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: h.last + 1, InactiveThreshold: inactive,
	})
	if err != nil {
		return err
	}
	defer func() { _ = forget() }() // else it expires

	over := make(chan error, 1) // one is enough to end it
	end := func(err error) {
		select {
		case over <- err:
		default:
		}
	}
	consuming, err := consumer.Consume(func(msg jetstream.Msg) {
		defer rpc.Recover(h.cfg.Log, "event")
		if err := h.message(msg); err != nil || !h.cfg.Follow && h.reached(until) {
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

func (h *happenings) message(msg jetstream.Msg) error {
	meta, err := msg.Metadata()
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if meta.Sequence.Stream <= h.last {
		return nil
	}
	h.last = meta.Sequence.Stream
	return h.tell(schemas.NoticeExecution, msg.Data())
}

func (h *happenings) reached(until uint64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.last >= until
}

// place settles where to begin and returns the last event that there is. A
// stream that no longer has what comes next, or that was lost and made again,
// is a loss to tell of.
func (h *happenings) place(ctx context.Context) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, api)
	defer cancel()
	stream, err := h.js.Stream(ctx, schemas.EventStream)
	if err != nil {
		return 0, fmt.Errorf("look up stream: %w", err)
	}
	state := stream.CachedInfo().State
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case !h.known:
		h.known, h.last = true, state.LastSeq
		return state.LastSeq, h.begun()
	case h.last > state.LastSeq:
		h.last = state.LastSeq
		return state.LastSeq, h.resync("the feed of events was made anew")
	case state.FirstSeq > h.last+1:
		h.last = state.FirstSeq - 1
		return state.LastSeq, h.resync("the events since are no longer kept")
	}
	return state.LastSeq, nil
}

// begun notes that a source has begun. The lock is held.
func (h *happenings) begun() error {
	if h.lacks--; h.lacks != 0 {
		return nil
	}
	return h.tell("", nil)
}

func (h *happenings) resync(reason string) error {
	body, err := hodei.JSON(schemas.Resync{Reason: reason})
	if err != nil {
		return err
	}
	return h.tell(schemas.NoticeResync, body)
}

var errAll = errors.New("that is all")

// workers tells each worker's word and then every change.
func (h *happenings) workers(ctx context.Context) error {
	bucket, err := kv.OpenWorkers(ctx, h.js)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	err = bucket.Watch(ctx, func(u kv.Update) {
		if u.Synced {
			if err := h.synced(); err != nil {
				cancel(err)
			} else if !h.cfg.Follow {
				cancel(errAll)
			}
			return
		}
		body, err := hodei.JSON(schemas.WorkerWord{WorkerID: u.WorkerID, Availability: u.Availability})
		if err != nil {
			return // strings and numbers always encode
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		if ctx.Err() == nil {
			if err := h.tell(schemas.NoticeWorker, body); err != nil {
				cancel(err)
			}
		}
	})
	if cause := context.Cause(ctx); err == nil && !errors.Is(cause, errAll) {
		return cause
	}
	return err
}

// synced notes that every worker's word has been told.
func (h *happenings) synced() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.wordsKnown {
		return nil // a watch begun anew
	}
	h.wordsKnown = true
	return h.begun()
}

// events over NATS.
func (t overNATS) events(ctx context.Context, req schemas.FollowEventsRequest, fn func(schemas.Notice) error) (schemas.EventsEnd, error) {
	last, err := Happenings(ctx, HappeningsConfig{
		NATS: t.nc, Follow: req.Follow, NoWorkers: !req.Workers(), NoExecutions: !req.Executions(),
	}, func(h Happening) error {
		notice, err := h.Notice()
		if err != nil || h.Kind == "" || !req.Match(notice) {
			return err
		}
		return fn(notice)
	})
	if err == nil && ctx.Err() != nil {
		err = interrupted(ctx.Err())
	}
	return schemas.EventsEnd{Sequence: last}, err
}

// events over HTTP.
func (t *overHTTP) events(ctx context.Context, req schemas.FollowEventsRequest, fn func(schemas.Notice) error) (end schemas.EventsEnd, err error) {
	err = t.stream(ctx, schemas.FollowEvents.Op, req, func(kind, id string, data []byte) (bool, error) {
		if kind == "done" {
			return true, json.Unmarshal(data, &end)
		}
		sequence, _ := strconv.ParseUint(id, 10, 64) // none before the first
		notice, err := Happening{Sequence: sequence, Kind: kind, Data: data}.Notice()
		if err != nil {
			return false, err
		}
		return false, fn(notice)
	})
	return end, err
}
