package edge

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
)

// longest is how many events a reader who comes back may have missed; more
// are not worth sending to one who can read anew what they led to.
const longest = 10_000

// happenings answers requests for the stream of events.
type happenings struct {
	cfg     Config
	hub     *hub
	metrics *metrics
}

func (s *happenings) handler(op *schemas.Op) (http.HandlerFunc, error) {
	decode, err := rpc.Decoder(op)
	if err != nil {
		return nil, fmt.Errorf("serve %s: %w", op.Name, err)
	}
	bind := newBinder(op)
	return func(w http.ResponseWriter, r *http.Request) {
		var want schemas.FollowEventsRequest
		body, err := bind.request(w, r)
		if err == nil {
			err = decode(body, &want)
		}
		var after int64
		if err == nil {
			after, err = lastEventID(r)
		}
		if err != nil {
			refuse(w, r, err)
			return
		}
		ctx := r.Context()
		reader, at, words, err := s.hub.join(ctx)
		if err != nil {
			refuse(w, r, err)
			return
		}
		defer s.hub.leave(reader)
		if rec, ok := w.(*recorder); ok {
			rec.stream = true
		}
		s.metrics.streams.Inc()
		defer s.metrics.streams.Dec()
		out := &frames{w: w, conn: http.NewResponseController(w), want: want}
		defer out.close()
		err = s.copy(ctx, out, reader, at, after, words)
		if err != nil && ctx.Err() == nil {
			s.cfg.Log.DebugContext(ctx, "stream of events cut", "request_id", rpc.RequestID(ctx), "err", err)
		}
	}, nil
}

// lastEventID is the event that a client has had, -1 where it tells of none.
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

// copy writes where the stream is, what was missed, each worker's word, and
// then what happens.
func (s *happenings) copy(ctx context.Context, out *frames, r *reader, at uint64, after int64, words []happening) error {
	out.header()
	if err := s.missed(ctx, out, at, after); err != nil {
		return err
	}
	out.place(at)
	for _, word := range words {
		out.add(word)
	}
	if !out.want.Follow {
		out.done(at)
		return out.flush()
	}
	if err := out.flush(); err != nil {
		return err
	}
	idle := time.NewTimer(s.cfg.KeepAlive)
	defer idle.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-idle.C:
			out.place(at) // what was not wanted need not be looked at again
			out.buf = append(out.buf, ": keep-alive\n\n"...)
		case e, open := <-r.happenings:
			if !open {
				return s.cut(out, r, at)
			}
			out.add(e)
			at = e.Sequence
			for range len(r.happenings) { // what else there is goes along
				if e, open = <-r.happenings; open {
					out.add(e)
					at = e.Sequence
				}
			}
		}
		if len(out.buf) == 0 {
			continue // nothing of it was wanted
		}
		if err := out.flush(); err != nil {
			return err
		}
		idle.Reset(s.cfg.KeepAlive)
	}
}

// cut ends the stream of a reader that was too slow with a word about it.
func (s *happenings) cut(out *frames, r *reader, at uint64) error {
	if !r.slow {
		return nil // the edge stops, or its source of events failed: come back
	}
	out.write(resync(at, "this reader is too slow"))
	return out.flush()
}

// missed writes the events between the one that the client has had and where
// the stream is.
func (s *happenings) missed(ctx context.Context, out *frames, at uint64, after int64) error {
	switch last := uint64(after); {
	case after < 0 || last == at:
		return nil
	case last > at:
		out.write(resync(at, "the feed of events was made anew"))
	case at-last > longest:
		out.write(resync(at, "too many events since"))
	default:
		if events, ok := s.hub.since(last, at); ok {
			for _, e := range events {
				out.add(e)
			}
			return nil
		}
		return s.hub.history(ctx, last, at, func(e happening) error {
			out.add(e)
			if len(out.buf) < flushSize {
				return nil
			}
			return out.flush()
		})
	}
	return nil
}

// frames writes what one client wants.
type frames struct {
	w    http.ResponseWriter
	conn *http.ResponseController
	want schemas.FollowEventsRequest
	buf  []byte
}

func (f *frames) header() {
	f.w.Header().Set("Content-Type", "text/event-stream")
	f.w.Header().Set("Cache-Control", "no-store")
	f.w.Header().Set("X-Accel-Buffering", "no") // a proxy's buffer would hold events back
}

// add writes what is wanted.
func (f *frames) add(e happening) {
	if f.want.Match(e.notice) {
		f.write(e)
	}
}

func (f *frames) write(e happening) {
	if e.Kind != schemas.NoticeWorker {
		f.buf = append(strconv.AppendUint(append(f.buf, "id: "...), e.Sequence, 10), '\n')
	}
	f.buf = append(append(f.buf, "event: "...), e.Kind...)
	f.buf = append(f.buf, "\ndata: "...)
	f.buf = append(oneField(append(f.buf, e.Data...), len(f.buf)), "\n\n"...)
}

// place is an id without data, which a client remembers and does not report.
func (f *frames) place(at uint64) {
	f.buf = append(strconv.AppendUint(append(f.buf, "id: "...), at, 10), "\n\n"...)
}

func (f *frames) done(at uint64) {
	body, _ := hodei.JSON(schemas.EventsEnd{Sequence: at}) // a number always encodes
	f.buf = append(append(append(f.buf, "event: done\ndata: "...), body...), "\n\n"...)
}

func (f *frames) flush() error {
	_ = f.conn.SetWriteDeadline(time.Now().Add(writeTimeout)) // only where the connection has one
	if _, err := f.w.Write(f.buf); err != nil {
		return err
	}
	f.buf = f.buf[:0]
	return f.conn.Flush()
}

// close leaves the connection fit for another request.
func (f *frames) close() { _ = f.conn.SetWriteDeadline(time.Time{}) }
