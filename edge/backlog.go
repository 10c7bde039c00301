package edge

import (
	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/follow"
	"github.com/hodei-jobs/hodei/schemas"
)

// event is decoded once, for all readers.
type event struct {
	follow.RawEvent
	feed schemas.FeedEvent // only what filters look at
}

// eventCost is charged for each on top of its data.
const eventCost = 1 << 10

func newEvent(e follow.RawEvent) (event, error) {
	n, err := e.Decode()
	switch {
	case n.Execution != nil:
		of := n.Execution.Execution
		n.Execution = &schemas.Event{Execution: hodei.Execution{ID: of.ID, JobID: of.JobID, PipelineID: of.PipelineID, WorkerID: of.WorkerID}}
	case n.Worker != nil && n.Worker.Availability != nil:
		n.Worker.Availability = &hodei.Availability{}
	}
	e.Data = oneField(e.Data, 0)
	return event{e, n}, err
}

// backlog is what happened last, oldest first, for all readers. Each keeps its own
// place, a number that counts every event since the source began.
type backlog struct {
	events []event
	first  uint64 // place of events[0]
	gap    uint64 // place of the last loss of events
	bytes  int
	limit  int
}

// end is the place of what comes next.
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

// read returns what is at a place and after it, up to an end and until it holds
// about so many bytes. It is not ok when that is no longer kept.
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

// after is the place of what follows the event of a sequence, if all of that is
// kept.
func (b *backlog) after(sequence uint64) (place uint64, ok bool) {
	for i, e := range b.events {
		place := b.first + uint64(i)
		if place < b.gap {
			continue
		}
		if e.Sequence <= sequence {
			ok = true
			continue
		}
		whole := e.Kind == schemas.FeedExecution && e.Sequence == sequence+1
		return place, ok || whole
	}
	return b.end(), ok
}
