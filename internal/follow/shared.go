package follow

import (
	"context"
	"sync/atomic"
)

// Shared bounds the memory of many feeds in one process; nil bounds nothing.
type Shared struct {
	limit int64
	held  atomic.Int64
	asks  chan struct{}
}

// ringLeast is what the ring of each feed may hold even where all together hold
// too much.
const ringLeast = 256 << 10

// NewShared returns a bound of so many bytes for all rings together, and of so many
// pages of the record that are read at a time.
func NewShared(ringBytes int64, pages int) *Shared {
	return &Shared{limit: ringBytes, asks: make(chan struct{}, pages)}
}

func (s *Shared) charge(bytes int) {
	if s != nil {
		s.held.Add(int64(bytes))
	}
}

func (s *Shared) full() bool { return s != nil && s.held.Load() > s.limit }

// enter waits until a page of the record may be read, and returns what to call
// when it has been.
func (s *Shared) enter(ctx context.Context) (leave func(), err error) {
	if s == nil {
		return func() {}, nil
	}
	select {
	case s.asks <- struct{}{}:
		return func() { <-s.asks }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
