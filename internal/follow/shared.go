package follow

import (
	"context"
	"sync/atomic"
)

// Shared bounds the memory of many feeds in one process; nil does not.
type Shared struct {
	limit int64
	held  atomic.Int64
	asks  chan struct{}
}

// ringLeast is what the ring of each feed may hold even if all together exceed
// the limit.
const ringLeast = 256 << 10

// NewShared returns a limit of ringBytes for all rings together, and of
// concurrent pages of the record.
func NewShared(ringBytes int64, pages int) *Shared {
	return &Shared{limit: ringBytes, asks: make(chan struct{}, pages)}
}

func (s *Shared) charge(bytes int) {
	if s != nil {
		s.held.Add(int64(bytes))
	}
}

func (s *Shared) full() bool { return s != nil && s.held.Load() > s.limit }

// enter waits until a page of the record may be read, and returns the function
// to call afterwards.
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
