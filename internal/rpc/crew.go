package rpc

import "sync/atomic"

// idle is how many goroutines a service keeps for the next request. Their
// stacks have already grown: growing a new stack for each request took a tenth
// of the processor time of a flood of small executions.
const idle = 64

// crew is a pool of goroutines that run handlers.
type crew struct {
	next      chan func()
	dismissed chan struct{}
	waiting   atomic.Int64
}

func newCrew() *crew { return &crew{next: make(chan func()), dismissed: make(chan struct{})} }

// do runs fn on an idle goroutine, or on a new one.
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

// dismiss ends the idle goroutines at once and the busy ones when they finish.
func (c *crew) dismiss() { close(c.dismissed) }
