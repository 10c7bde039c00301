package rpc

import "sync/atomic"

// idle is how many goroutines a service keeps for the next request. One that has
// answered requests has the stack that they take: growing it anew for each was a
// tenth of all the processor time of a flood of small executions.
const idle = 64

// crew are the goroutines that answer.
type crew struct {
	next      chan func()
	dismissed chan struct{}
	waiting   atomic.Int64
}

func newCrew() *crew { return &crew{next: make(chan func()), dismissed: make(chan struct{})} }

// do has one of the idle do it, or a new one.
func (c *crew) do(fn func()) {
	select {
	case c.next <- fn:
	default:
		go c.work(fn)
	}
}

func (c *crew) work(fn func()) {
	for {
		fn()
		if c.waiting.Add(1) > idle {
			c.waiting.Add(-1)
			return
		}
		select {
		case fn = <-c.next:
			c.waiting.Add(-1)
		case <-c.dismissed:
			return
		}
	}
}

// dismiss lets the idle go, and whoever is busy when done.
func (c *crew) dismiss() { close(c.dismissed) }
