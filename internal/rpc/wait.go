package rpc

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"

	"github.com/hodei-jobs/hodei/schemas"
)

// served is a request in progress of an operation that may wait. The context of
// its handler carries it.
type served struct {
	service  *Service
	endpoint *endpoint
	name     string // for the caller's hang-up; "" if it has none
	// over is done when the caller has disconnected. It ends waits only.
	over   context.Context
	hangUp context.CancelFunc

	mu      sync.Mutex
	waiting bool // has released its place in flight
}

type servedKey struct{}

// Wait announces that the handler of ctx is about to wait for something that
// other requests cause, such as a free worker. From then on the request does
// not count as in flight, so that those requests find a place. It does not take
// its place again, because the work after a wait is short. The channel is
// closed when the caller disconnects: the handler then ends the wait as if it
// had timed out. If too many requests already wait, ok is false and the handler
// must not wait.
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

// begin adds a request to its context, under the name that its caller chose.
func (s *Service) begin(ctx context.Context, e *endpoint, name string) (context.Context, *served) {
	c := &served{service: s, endpoint: e, name: name}
	c.over, c.hangUp = context.WithCancel(ctx)
	if name != "" {
		s.calls.Store(name, c)
	}
	return context.WithValue(ctx, servedKey{}, c), c
}

// end releases the request's place.
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

// followHangUps ends the waits of callers that disconnect, until stop is called.
func (s *Service) followHangUps() (stop func(), err error) {
	subjects := []string{schemas.HangUpSubject}
	if s.cfg.CallerKey != nil {
		subjects = append(subjects, schemas.PeoplePrefix+schemas.HangUpSubject)
	}
	var subs []*nats.Subscription
	stop = func() {
		for _, sub := range subs {
			_ = sub.Unsubscribe() // fails only after the connection is closed
		}
	}
	for _, subject := range subjects {
		sub, err := s.cfg.NATS.Subscribe(subject, func(msg *nats.Msg) {
			if c, ok := s.calls.Load(string(msg.Data)); ok {
				c.(*served).hangUp()
			}
		})
		if err != nil {
			stop()
			return nil, err
		}
		subs = append(subs, sub)
	}
	return stop, nil
}

const (
	// hangUpAgain is how often a hang-up is repeated until the request is answered: the service
	// may have received it before the request, or have been between two terms.
	hangUpAgain = time.Second
	// hangUps is how often the hang-up is published after the caller has stopped waiting.
	hangUps = 5
)

// named gives a request that may wait a name, and ends the wait when the caller
// disconnects or its deadline passes. If the caller is itself answering a
// request, it forwards the hang-up of that request's caller and then returns
// the reply, which arrives at once. The returned function ends this, with the
// error of the request.
func named(ctx context.Context, nc *nats.Conn, msg *nats.Msg) (done func(error)) {
	name := uuid.NewString()
	msg.Header[schemas.HeaderCall] = []string{name}
	over := ctx
	if c, ok := ctx.Value(servedKey{}).(*served); ok {
		over = c.over
	}
	ended := make(chan struct{})
	stop := context.AfterFunc(over, func() {
		repeat := time.NewTicker(hangUpAgain)
		defer repeat.Stop()
		for {
			_ = nc.Publish(schemas.HangUpSubject, []byte(name)) // fails only on a closed connection
			select {
			case <-ended:
				return
			case <-repeat.C:
			}
		}
	})
	return func(err error) {
		stop() // it may not have been started, although ctx is done: the request was faster
		close(ended)
		if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			hangUp(nc, name, hangUps)
		}
	}
}

// hangUp publishes the hang-up of a request a number of times.
func hangUp(nc *nats.Conn, name string, times int) {
	if nc.Publish(schemas.HangUpSubject, []byte(name)) != nil || times == 1 { // the connection may be closed by now
		return
	}
	time.AfterFunc(hangUpAgain, func() { hangUp(nc, name, times-1) })
}
