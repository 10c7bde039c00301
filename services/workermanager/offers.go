package workermanager

import (
	"maps"
	"slices"
	"sync"

	"github.com/hodei-jobs/hodei"
)

// offers are the executions that are being offered: committed as a worker's,
// and not known yet to be started or not. Should the worker be declared lost
// meanwhile, it is the offer that tells their fate: one that nobody has seen
// goes back to the queue.
type offers struct {
	mu  sync.Mutex
	ids map[hodei.ExecutionID]int // how many offers of it are under way
}

func (o *offers) add(id hodei.ExecutionID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ids == nil {
		o.ids = map[hodei.ExecutionID]int{}
	}
	o.ids[id]++
}

func (o *offers) remove(id hodei.ExecutionID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ids[id]--; o.ids[id] == 0 {
		delete(o.ids, id)
	}
}

func (o *offers) all() []hodei.ExecutionID {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Collect(maps.Keys(o.ids))
}
