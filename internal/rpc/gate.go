package rpc

import "sync"

// gate counts requests in flight. Once closed, it admits no more.
type gate struct {
	mu     sync.Mutex
	inside int
	passed int // since the start
	shut   bool
	empty  chan struct{} // closed when the gate is closed and no request is inside
}

func newGate() *gate { return &gate{empty: make(chan struct{})} }

// enter admits a request unless the gate is closed. An admitted request must
// call leave.
func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut {
		return false
	}
	g.inside++
	g.passed++
	return true
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside--
	if g.shut && g.inside == 0 {
		close(g.empty)
	}
}

// close closes the gate, once, and returns a channel that is closed when the
// last request has left.
func (g *gate) close() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = true
	if g.inside == 0 {
		close(g.empty)
	}
	return g.empty
}

// count returns how many requests have entered since the start.
func (g *gate) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.passed
}
