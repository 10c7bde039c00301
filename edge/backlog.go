package edge

import (
	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/follow"
	"github.com/hodei-jobs/hodei/schemas"
)

// event is one decoded event, shared by all readers.
type event struct {
	follow.RawEvent
	feed schemas.FeedEvent // only what filters look at
}

// eventCost is the memory charged for each event on top of its data.
const eventCost = 1 << 10

func newEvent(e follow.RawEvent) (event, error) {
	n, err := e.Decode()
	switch {
	case n.Execution != nil:
		of := n.Execution.Execution
		n.Execution = &schemas.Event{Execution: hodei.Execution{ID: of.ID, JobID: of.JobID, PipelineID: of.PipelineID, WorkerID: of.WorkerID, RunID: of.RunID}}
	case n.Run != nil:
		n.Run = &schemas.RunEvent{Run: hodei.Run{ID: n.Run.Run.ID, PipelineID: n.Run.Run.PipelineID}}
	case n.Worker != nil && n.Worker.Availability != nil:
		n.Worker.Availability = &hodei.Availability{}
	}
	e.Data = oneField(e.Data, 0)
	return event{e, n}, err
}

// backlog holds the latest events, oldest first, for all readers. Each reader
// keeps its own place: the count of all events since the source started.
type backlog struct {
	events []event
	first  uint64 // place of events[0]
	gap    uint64 // place of the last loss of events
	bytes  int
	limit  int
}

// end is the place of the next event.
func (b *backlog) end() uint64 { return b.first + uint64(len(b.events)) }

func (b *backlog) add(e event) {
	if e.feed.Resync != nil {
		b.gap = b.end()
	}
	b.events = append(b.events, e)
	b.bytes += len(e.Data) + eventCost
	for b.bytes > b.limit && len(b.events) > 1 {
		b.bytes -= len(b.events[0].Data) + eventCost
		b.events[0] = event{}
		b.events = b.events[1:]
		b.first++
	}
}

// read returns the events in [from, until), up to about size bytes. ok is false
// if the backlog no longer holds the event at from.
func (b *backlog) read(from, until uint64, size int) (events []event, ok bool) {
	if from < b.first {
		return nil, false
	}
	for at := from; at < min(until, b.end()) && size > 0; at++ {
		e := b.events[at-b.first]
		events, size = append(events, e), size-len(e.Data)
	}
	return events, true
}

// after returns the place that follows the event with this sequence. It fails
// if the backlog no longer holds every event since. A worker's state proves
// nothing: it has the sequence at which it was reported, and is added later.
func (b *backlog) after(sequence uint64) (place uint64, ok bool) {
	for i, e := range b.events {
		place := b.first + uint64(i)
		if place < b.gap || e.Kind == schemas.FeedWorker {
			continue
		}
		if e.Sequence <= sequence {
			ok = true
			continue
		}
		whole := (e.Kind == schemas.FeedExecution || e.Kind == schemas.FeedRun) && e.Sequence == sequence+1
		return place, ok || whole
	}
	return b.end(), ok
}
