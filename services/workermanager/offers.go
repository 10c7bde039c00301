package workermanager

import (
	"maps"
	"slices"
	"sync"

	"github.com/hodei-jobs/hodei"
)

// offers are the executions in an offer: committed with a worker, and not yet
// known to have started or not. If the worker is declared lost meanwhile, the
// result of the offer decides: an offer that did not arrive returns the
// execution to the queue.
type offers struct {
	mu  sync.Mutex
	ids map[hodei.ExecutionID]int // number of offers in flight
}

func (o *offers) add(ids ...hodei.ExecutionID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ids == nil {
		o.ids = map[hodei.ExecutionID]int{}
	}
	for _, id := range ids {
		o.ids[id]++
	}
}

func (o *offers) remove(ids ...hodei.ExecutionID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, id := range ids {
		if o.ids[id]--; o.ids[id] == 0 {
			delete(o.ids, id)
		}
	}
}

func (o *offers) all() []hodei.ExecutionID {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Collect(maps.Keys(o.ids))
}
