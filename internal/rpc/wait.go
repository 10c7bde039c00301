package rpc

import (
	"context"
	"sync"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"

	"github.com/hodei-jobs/hodei/schemas"
)

// served is a request of an operation that may wait, while it is being answered. The
// context of its handler carries it.
type served struct {
	service  *Service
	endpoint *endpoint
	name     string // by which its caller hangs up, "" for none
	// over ends when the caller has hung up. Only waits end with it.
	over   context.Context
	hangUp context.CancelFunc

	mu      sync.Mutex
	waiting bool // it has given its place in flight away
}

type servedKey struct{}

// Wait announces that the handler that ctx belongs to is about to wait for
// something that other requests bring about, as a free worker. From then on the
// request does not count as in flight, so that those others find a place; it does
// not take its place back, because what follows a wait is short. The channel is
// closed when the caller has hung up: the handler then ends the wait as if its
// time were over. Where too many requests wait already, ok is false and the
// handler must not wait.
func Wait(ctx context.Context) (over <-chan struct{}, ok bool) {
	c, _ := ctx.Value(servedKey{}).(*served)
	if c == nil {
		return nil, true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting {
		return c.over.Done(), true
	}
	if s := c.service; s.waiting.Add(1) > int64(s.cfg.Waiting) {
		s.waiting.Add(-1)
		return nil, false
	}
	c.waiting = true
	c.endpoint.stats.inflight.Add(-1)
	return c.over.Done(), true
}

// begin enters a request in its context, under the name that its caller gave it.
func (s *Service) begin(ctx context.Context, e *endpoint, name string) (context.Context, *served) {
	c := &served{service: s, endpoint: e, name: name}
	c.over, c.hangUp = context.WithCancel(ctx)
	if name != "" {
		s.calls.Store(name, c)
	}
	return context.WithValue(ctx, servedKey{}, c), c
}

// end gives back what the request holds.
func (c *served) end() {
	c.hangUp()
	c.service.calls.CompareAndDelete(c.name, c)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting {
		c.service.waiting.Add(-1)
	} else {
		c.endpoint.stats.inflight.Add(-1)
	}
}

// followHangUps ends the waits whose callers hang up, until the subscription is
// ended.
func (s *Service) followHangUps() (*nats.Subscription, error) {
	return s.cfg.NATS.Subscribe(schemas.HangUpSubject, func(msg *nats.Msg) {
		if c, ok := s.calls.Load(string(msg.Data)); ok {
			c.(*served).hangUp()
		}
	})
}

// named gives a request that may wait a name of its own and has the wait ended
// when the caller hangs up or its time is over. A caller that is itself answering
// a request hangs up when the caller of that one does; it then goes on to the
// answer, which comes at once. The returned function ends that.
func named(ctx context.Context, nc *nats.Conn, msg *nats.Msg) (done func() bool) {
	name := uuid.NewString()
	msg.Header[schemas.HeaderCall] = []string{name}
	over := ctx
	if c, ok := ctx.Value(servedKey{}).(*served); ok {
		over = c.over
	}
	return context.AfterFunc(over, func() {
		_ = nc.Publish(schemas.HangUpSubject, []byte(name)) // otherwise the wait ends by its own time
	})
}
