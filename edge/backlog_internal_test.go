package edge

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei/internal/follow"
	"github.com/hodei-jobs/hodei/schemas"
)

// A worker's state has the position at which it was reported, which may be before events that
// the backlog never had, or has no more. It does not show that the backlog holds the next event.
func TestBacklogAfterAWorkersState(t *testing.T) {
	t.Parallel()
	state := event{RawEvent: follow.RawEvent{Kind: schemas.FeedWorker, Sequence: 5}}
	started := func(sequence uint64) event {
		return event{RawEvent: follow.RawEvent{Kind: schemas.FeedExecution, Sequence: sequence}}
	}
	for name, c := range map[string]struct {
		events []event
		place  uint64
		whole  bool
	}{
		"a state alone":            {[]event{state}, 0, false},
		"an event lacks":           {[]event{state, started(7)}, 0, false},
		"the next event is there":  {[]event{state, started(6), state, started(7)}, 1, true},
		"the last one is there":    {[]event{started(5), state, started(7)}, 2, true}, // 6 was not one of Hodei's
		"only the last is there":   {[]event{started(5), state}, 2, true},
		"the next event is before": {[]event{started(6), state}, 0, true},
	} {
		b := backlog{limit: 1 << 20}
		for _, e := range c.events {
			b.add(e)
		}
		place, whole := b.after(5)
		require.Equal(t, c.whole, whole, name)
		if whole {
			require.Equal(t, c.place, place, name)
		}
	}
}
