package edge

import (
	"sync"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
)

// eventSSE writes the events that match one client's filter as server-sent
// events.
type eventSSE struct {
	*wire
	want      schemas.FollowEventsRequest
	caller    hodei.Caller
	noWorkers bool
	buf       *[]byte // nil while there is nothing to write
	sent      time.Time
}

// buffers is a pool, so that idle streams hold no buffer.
var buffers = sync.Pool{New: func() any { return new(make([]byte, 0, piece)) }}

// add writes the event if it matches the filter.
func (f *eventSSE) add(e event) error {
	if !f.want.Match(e.feed) || !shows(f.caller, e.feed) || f.noWorkers && e.feed.Worker != nil {
		return nil
	}
	return f.write(e)
}

// shows reports whether the caller may see the event: one that is limited to pipelines sees
// theirs alone, and no workers.
func shows(caller hodei.Caller, e schemas.FeedEvent) bool {
	switch {
	case len(caller.Pipelines) == 0:
		return true
	case e.Execution != nil:
		of := e.Execution.Execution.PipelineID
		return of != nil && caller.MayUse(*of)
	case e.Run != nil:
		return caller.MayUse(e.Run.Run.PipelineID)
	}
	return e.Resync != nil
}

func (f *eventSSE) write(e event) error {
	b := f.begin()
	if e.Kind != schemas.FeedWorker {
		b = frameID(b, e.Sequence)
	}
	b = append(append(append(b, "event: "...), e.Kind...), "\ndata: "...)
	if len(e.Data) > piece/2 { // written directly: all readers share the data
		*f.buf = b
		if err := f.empty(); err != nil {
			return err
		}
		if err := f.send(e.Data); err != nil {
			return err
		}
		b = f.begin()
	} else {
		b = append(b, e.Data...)
	}
	return f.end(append(b, "\n\n"...))
}

// place writes the place in the stream, without an event.
func (f *eventSSE) place(at uint64) error {
	return f.end(append(frameID(f.begin(), at), '\n'))
}

func (f *eventSSE) idle(at uint64) error {
	if err := f.place(at); err != nil {
		return err
	}
	return f.end(frameIdle(f.begin()))
}

func (f *eventSSE) done(at uint64) error {
	body, _ := hodei.JSON(schemas.EventsEnd{Sequence: at}) // a number always encodes
	if err := f.end(frameDone(f.begin(), body)); err != nil {
		return err
	}
	return f.empty()
}

// begin returns the buffer to append to.
func (f *eventSSE) begin() []byte {
	if f.buf == nil {
		f.buf = buffers.Get().(*[]byte)
	}
	return *f.buf
}

// end stores the buffer and writes it out once it holds a whole piece.
func (f *eventSSE) end(b []byte) error {
	if *f.buf = b; len(b) < piece/2 {
		return nil
	}
	return f.empty()
}

// empty writes what is left in the buffer.
func (f *eventSSE) empty() error {
	if f.buf == nil {
		return nil
	}
	f.sent = time.Now()
	err := f.send(*f.buf)
	*f.buf = (*f.buf)[:0]
	buffers.Put(f.buf)
	f.buf = nil
	return err
}
