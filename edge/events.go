package edge

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/client"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
)

// longest is how many missed events a reader that returns may catch up. With
// more, it is cheaper to read the state again.
const longest = 10_000

// eventStreams answers requests for the stream of events.
type eventStreams struct {
	cfg  Config
	hub  *hub
	open *streamCount
}

func (s *eventStreams) handler(op *schemas.Op) (handler, error) {
	decode, err := rpc.Decoder(op)
	if err != nil {
		return nil, fmt.Errorf("serve %s: %w", op.Name, err)
	}
	bind := newBinder(op)
	return func(w http.ResponseWriter, r *http.Request) error {
		ctx := r.Context()
		var want schemas.FollowEventsRequest
		body, err := bind.request(w, r)
		if err != nil {
			return err
		}
		if err := decode(body, &want); err != nil {
			return err
		}
		if err := client.NATS(s.cfg.NATS).NameByID(ctx, &want); err != nil {
			return err
		}
		after, err := lastEventID(r)
		if err != nil {
			return err
		}
		leave, err := s.open.enter(r)
		if err != nil {
			return err
		}
		defer leave()
		reader, err := s.hub.join(ctx)
		if err != nil {
			return err
		}
		defer s.hub.leave()
		out := &eventSSE{wire: newWire(w, r, "text/event-stream"), want: want}
		out.caller, _ = hodei.CallerOf(ctx)
		if err := s.copy(ctx, out, reader, after); err != nil && ctx.Err() == nil {
			s.cfg.Log.DebugContext(ctx, "stream of events cut", "request_id", rpc.RequestID(ctx), "err", err)
		}
		return nil
	}, nil
}

// lastEventID returns the last event that a client received, -1 if the request
// has none.
func lastEventID(r *http.Request) (int64, error) {
	text := r.Header.Get("Last-Event-ID")
	if text == "" {
		return -1, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, hodei.InvalidField("Last-Event-ID", "sequence number required")
	}
	return n, nil
}

// copy writes the missed events, the position of the stream, each worker's
// state, and then new events.
func (s *eventStreams) copy(ctx context.Context, out *eventSSE, r *reader, after int64) error {
	if err := s.missed(ctx, out, r, after); err != nil {
		return err
	}
	if err := out.place(r.at); err != nil {
		return err
	}
	for _, state := range r.states {
		if err := out.add(state); err != nil {
			return err
		}
	}
	r.states = nil
	if !out.want.Follow {
		return out.done(r.at)
	}
	for at := r.at; ; {
		if err := out.empty(); err != nil {
			return err
		}
		wait, cancel := context.WithDeadline(ctx, out.sent.Add(s.cfg.KeepAlive))
		err := s.hub.wait(wait, r)
		cancel()
		switch {
		case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
			err = out.idle(at) // so that filtered events are not read again
		case err == nil:
			at, err = s.pass(out, r, at, math.MaxUint64)
		}
		if err != nil {
			return err
		}
	}
}

// pass writes the next events of the reader up to a place, when the client is
// ready. A reader that was too slow gets a resync and is disconnected.
func (s *eventStreams) pass(out *eventSSE, r *reader, at, until uint64) (uint64, error) {
	if !out.ready(writeTimeout) {
		return at, errStalled
	}
	events, err := s.hub.read(r, until, piece)
	if err != nil {
		_ = out.write(resync(at, err.Error())) // the stream ends in any case
		_ = out.empty()
		return at, err
	}
	for _, e := range events {
		if err := out.add(e); err != nil {
			return at, err
		}
		at = e.Sequence
	}
	return at, nil
}

// missed writes the events between the client's last one and the position of
// the stream.
func (s *eventStreams) missed(ctx context.Context, out *eventSSE, r *reader, after int64) error {
	switch last := uint64(after); {
	case after < 0 || last == r.at:
		return nil
	case last > r.at:
		return out.write(resync(r.at, "the stream of events was recreated"))
	case r.at-last > longest:
		return out.write(resync(r.at, "too many events since"))
	default:
		joined := r.next
		if !s.hub.rewind(r, last) {
			return s.hub.history(ctx, last, r.at, out.add)
		}
		out.noWorkers = true // each worker's state follows
		defer func() { out.noWorkers = false }()
		for at := last; r.next < joined; {
			var err error
			if at, err = s.pass(out, r, at, joined); err != nil {
				return err
			}
		}
		return nil
	}
}
