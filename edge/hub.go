package edge

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"sync"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/follow"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
)

// statesEvery is the interval in which workers' states are sent; of several
// states of a worker, the last.
const statesEvery = 250 * time.Millisecond

// hub shares one source of events among all readers. It runs while there are
// readers, and a little longer.
type hub struct {
	cfg  Config
	ctx  context.Context // of Run
	runs sync.WaitGroup

	mu      sync.Mutex
	source  *source // nil without readers
	readers int
	idle    *time.Timer
}

// source is the state of one run of the hub. The hub's lock guards it.
type source struct {
	cancel  context.CancelFunc
	placed  chan struct{} // closed when last is the position of the stream
	last    uint64
	log     backlog
	states  map[hodei.WorkerID]state
	news    map[hodei.WorkerID]bool // states that changed since the last tick
	changed chan struct{}           // closed and replaced when there is more to read
	over    bool
	once    sync.Once
}

// state is a worker's latest report; gone after its lease has ended.
type state struct {
	event
	gone bool
}

// reader is one stream. Only that stream uses it.
type reader struct {
	src    *source
	next   uint64 // its place in the backlog
	at     uint64 // the last event before it joined
	states []event
}

func newHub(ctx context.Context, cfg Config) *hub {
	h := &hub{cfg: cfg, ctx: ctx}
	h.idle = time.AfterFunc(time.Hour, h.stop)
	h.idle.Stop()
	context.AfterFunc(ctx, h.stop)
	return h
}

var (
	errStopping = hodei.Errorf(hodei.Unavailable, "The edge is stopping")
	errSlow     = errors.New("this reader is too slow")
	errOver     = errors.New("the source of events has ended") // the client reconnects
)

// join adds a reader, which starts at the current position with each worker's
// state. The caller must call leave, unless join fails.
func (h *hub) join(ctx context.Context) (r *reader, err error) {
	src, err := h.enter()
	if err != nil {
		return nil, err
	}
	select {
	case <-src.placed:
	case <-ctx.Done():
		err = &hodei.Error{Code: hodei.Unavailable, Message: "Request cancelled", Err: ctx.Err()}
	case <-h.ctx.Done():
		err = errStopping
	case <-time.After(5 * time.Second):
		err = hodei.Errorf(hodei.Unavailable, "The feed of events does not answer")
	}
	if err != nil {
		h.leave()
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	r = &reader{src: src, next: src.log.end(), at: src.last}
	for _, state := range src.states {
		r.states = append(r.states, state.event)
	}
	return r, nil
}

// enter counts a reader, which keeps the source alive.
func (h *hub) enter() (*source, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ctx.Err() != nil {
		return nil, errStopping
	}
	h.idle.Stop()
	h.readers++
	if h.source == nil {
		h.start()
	}
	return h.source, nil
}

func (h *hub) leave() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.readers--; h.readers == 0 {
		h.idle.Reset(linger)
	}
}

// rewind moves the reader back to the position after a sequence, if all events
// since are still kept.
func (h *hub) rewind(r *reader, sequence uint64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	place, ok := r.src.log.after(sequence)
	if ok {
		r.next = place
	}
	return ok
}

// wait returns when there is something to read. It fails when the source has
// ended or ctx is done.
func (h *hub) wait(ctx context.Context, r *reader) error {
	for {
		h.mu.Lock()
		more, over, changed := r.src.log.end() > r.next, r.src.over, r.src.changed
		h.mu.Unlock()
		switch {
		case more:
			return nil
		case over:
			return errOver
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

// read returns the next events of the reader up to a place, about size bytes.
// It fails with errSlow if they are no longer kept.
func (h *hub) read(r *reader, until uint64, size int) ([]event, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	events, ok := r.src.log.read(r.next, until, size)
	if !ok {
		return nil, errSlow
	}
	r.next += uint64(len(events))
	return events, nil
}

// start runs a source. The caller holds the lock.
func (h *hub) start() {
	ctx, cancel := context.WithCancel(h.ctx)
	src := &source{
		cancel: cancel, placed: make(chan struct{}), changed: make(chan struct{}), log: backlog{limit: h.cfg.EventBytes},
		states: map[hodei.WorkerID]state{}, news: map[hodei.WorkerID]bool{},
	}
	h.source = src
	h.runs.Go(func() {
		defer h.end(src)
		defer rpc.Recover(h.cfg.Log, "events")
		_, err := follow.Events(ctx, follow.EventsConfig{NATS: h.cfg.NATS, Log: h.cfg.Log, Follow: true},
			func(e follow.RawEvent) error { h.take(src, e); return nil })
		if err != nil && ctx.Err() == nil {
			h.cfg.Log.Warn("following events failed", "err", err)
		}
	})
	h.runs.Go(func() {
		defer rpc.Recover(h.cfg.Log, "events")
		h.tick(ctx, src)
	})
}

// take processes an event and passes it on.
func (h *hub) take(src *source, e follow.RawEvent) {
	got, err := newEvent(e)
	if err != nil {
		h.cfg.Log.Warn("event ignored", "sequence", e.Sequence, "err", err)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	src.last = e.Sequence
	switch worker := got.feed.Worker; {
	case e.Kind == "":
		clear(src.news) // a reader that joins now gets them
		src.once.Do(func() { close(src.placed) })
	case worker != nil:
		src.states[worker.WorkerID] = state{got, worker.Availability == nil}
		src.news[worker.WorkerID] = true
	default:
		src.log.add(got)
		src.wake()
	}
}

// wake wakes every waiting reader. The caller holds the lock.
func (s *source) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// tick sends the workers' states at intervals.
func (h *hub) tick(ctx context.Context, src *source) {
	tick := time.NewTicker(statesEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			h.passStates(src)
		}
	}
}

// passStates adds the changed states to the backlog.
func (h *hub) passStates(src *source) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(src.news) == 0 {
		return
	}
	for id := range src.news {
		state := src.states[id]
		if state.gone {
			delete(src.states, id)
		}
		src.log.add(state.event)
	}
	clear(src.news)
	src.wake()
}

// end removes a source and ends its streams, whose clients reconnect.
func (h *hub) end(src *source) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.endLocked(src)
}

func (h *hub) endLocked(src *source) {
	if src.over {
		return
	}
	src.cancel()
	src.over = true
	src.wake()
	if h.source == src {
		h.source = nil
	}
}

// stop ends the source if it has no readers, or if the edge stops.
func (h *hub) stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.source != nil && (h.readers == 0 || h.ctx.Err() != nil) {
		h.endLocked(h.source)
	}
}

// close waits until everything has ended; the context of the hub is done.
func (h *hub) close() {
	h.runs.Wait()
	h.idle.Stop()
}

// watchRun calls changed when it has joined, and at each event of the run or of its
// executions, until ctx is done or it falls behind.
func (h *hub) watchRun(ctx context.Context, id hodei.RunID, changed func()) error {
	r, err := h.join(ctx)
	if err != nil {
		return err
	}
	defer h.leave()
	changed()
	ref := hodei.RefTo(id)
	want := schemas.FollowEventsRequest{RunID: &ref}
	for {
		if err := h.wait(ctx, r); err != nil {
			return err
		}
		events, err := h.read(r, math.MaxUint64, piece)
		if err != nil {
			return err
		}
		for _, e := range events {
			if want.Match(e.feed) {
				changed()
			}
		}
	}
}

// history passes the events between two sequences to fn, from the stream.
func (h *hub) history(ctx context.Context, after, until uint64, fn func(event) error) error {
	_, err := follow.Events(ctx, follow.EventsConfig{NATS: h.cfg.NATS, Log: h.cfg.Log, Resume: true, After: after, NoWorkers: true},
		func(e follow.RawEvent) error {
			got, err := newEvent(e)
			switch {
			case err != nil: // not published by Hodei
				return nil
			case e.Sequence > until:
				return errUntil
			}
			return fn(got)
		})
	if errors.Is(err, errUntil) {
		return nil
	}
	return err
}

var errUntil = errors.New("far enough")

// resync is the frame that reports a loss.
func resync(at uint64, reason string) event {
	body, _ := json.Marshal(schemas.Resync{Reason: reason}) // a string always encodes
	return event{RawEvent: follow.RawEvent{Sequence: at, Kind: schemas.FeedResync, Data: body}}
}
