package edge

import (
	"net/http"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hodei-jobs/hodei"
)

// streamCount limits the open streams. Each costs memory for as long as its
// client stays.
type streamCount struct {
	most, mostEach int // in total and per address
	gauge          prometheus.Gauge

	mu   sync.Mutex
	open int
	from map[string]int
}

func newStreamCount(cfg Config, gauge prometheus.Gauge) *streamCount {
	return &streamCount{most: cfg.MaxStreams, mostEach: cfg.MaxStreamsPerClient, gauge: gauge, from: map[string]int{}}
}

// enter counts a stream and returns the function that ends it, or UNAVAILABLE
// if there are too many.
func (c *streamCount) enter(r *http.Request) (leave func(), err error) {
	addr := address(r)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.open >= c.most:
		return nil, hodei.Errorf(hodei.Unavailable, "%d streams are open, as many as --max-streams allows: try again later", c.open)
	case c.from[addr] >= c.mostEach:
		return nil, hodei.Errorf(hodei.Unavailable, "%d streams are open from %s, as many as --max-streams-per-client allows: close some", c.from[addr], addr)
	}
	c.open++
	c.from[addr]++
	c.gauge.Inc()
	return func() { c.leave(addr) }, nil
}

func (c *streamCount) leave(addr string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open--
	c.gauge.Dec()
	if c.from[addr]--; c.from[addr] == 0 {
		delete(c.from, addr)
	}
}
