package edge

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/sync/singleflight"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/rates"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/internal/token"
	"github.com/hodei-jobs/hodei/schemas"
)

const (
	// callerKept is how long a verified caller is believed if no change is announced.
	callerKept = 10 * time.Second
	// callersKept bounds the verified callers, about 300 bytes each.
	callersKept = 20_000
	// failuresAtOnce and failureEvery limit the unknown tokens of one address.
	failuresAtOnce = 20
	failureEvery   = 3 * time.Second
)

// callers verifies tokens and sessions with the access service, and remembers the result for
// seconds, so that requests cost no query.
type callers struct {
	nc     *nats.Conn
	asking singleflight.Group // one question for one secret at a time

	failed *rates.Rates[netip.Prefix] // unknown tokens by address

	mu      sync.Mutex
	known   map[secret]knownCaller
	again   chan struct{} // closed when everything must be verified again
	version int           // of the above
}

// knownCaller is an answer of the access service: a caller, or why there is none.
type knownCaller struct {
	hodei.Caller
	err   error
	until time.Time
}

func newCallers(nc *nats.Conn) *callers {
	return &callers{nc: nc, known: map[secret]knownCaller{}, failed: rates.New[netip.Prefix](1/failureEvery.Seconds(), failuresAtOnce), again: make(chan struct{})}
}

// subscribe has all callers forgotten when a change is announced, until stop is called.
func (c *callers) subscribe() (stop func(), err error) {
	sub, err := rpc.OnSignal(c.nc, schemas.AccessSubject, c.forget)
	if err != nil {
		return nil, err
	}
	return func() { _ = sub.Unsubscribe() }, nil // fails only after the connection is closed
}

// follow forgets all callers when the connection was lost, and an announcement may have been
// with it. It returns when ctx is done.
func (c *callers) follow(ctx context.Context) {
	connected := c.nc.StatusChanged(nats.CONNECTED)
	defer c.nc.RemoveStatusListener(connected)
	for {
		select {
		case <-ctx.Done():
			return
		case <-connected:
			c.forget()
		}
	}
}

// changed returns a channel that is closed when callers must be verified again.
func (c *callers) changed() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.again
}

func (c *callers) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.known)
	close(c.again)
	c.again = make(chan struct{})
	c.version++
}

// find returns the caller with this secret, at this address.
func (c *callers) find(ctx context.Context, s secret, from string) (hodei.Caller, error) {
	c.mu.Lock()
	found, ok := c.known[s]
	version := c.version
	c.mu.Unlock()
	if !ok || !time.Now().Before(found.until) {
		if c.tooMany(from) {
			return hodei.Caller{}, hodei.Errorf(hodei.RateLimited, "Too many tokens of this address were not valid: try again in a few seconds")
		}
		found = c.ask(ctx, s, from, version)
	}
	found.From = from
	return found.Caller, found.err
}

// ask asks the access service and remembers its answer, unless a change was announced
// meanwhile.
func (c *callers) ask(ctx context.Context, s secret, from string, version int) knownCaller {
	// The question outlives the request that asked first, because others wait for it too.
	asked, err, _ := c.asking.Do(string(s.kind)+string(s.hash[:]), func() (any, error) {
		return rpc.Call(context.WithoutCancel(ctx), c.nc, schemas.Authenticate, schemas.AuthenticateRequest{
			Hash: s.hash[:], Session: s.kind == token.Session, From: from,
		})
	})
	answer, _ := asked.(schemas.Authenticated) // empty with an error
	found := knownCaller{answer.Caller, err, time.Now().Add(callerKept)}
	if ends := answer.ExpiresAt; ends != nil && ends.Before(found.until) {
		found.until = *ends
	}
	switch {
	case errors.Is(err, hodei.Unauthenticated):
		c.fail(from)
	case err != nil:
		return found // the next request asks again
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.version == version {
		if len(c.known) >= callersKept {
			clear(c.known)
		}
		c.known[s] = found
	}
	return found
}

// tooMany reports whether the address has sent too many unknown tokens lately.
func (c *callers) tooMany(from string) bool { return c.failed.Exhausted(network(from)) }

// fail counts an unknown token.
func (c *callers) fail(from string) { c.failed.Allow(network(from)) }

// network is an IPv4 address, or the /64 of an IPv6 one, all of which one machine can have.
func network(from string) netip.Prefix {
	ip, err := netip.ParseAddr(from)
	if err != nil {
		return netip.Prefix{}
	}
	ip = ip.Unmap().WithZone("")
	bits := 64
	if ip.Is4() {
		bits = 32
	}
	prefix, _ := ip.Prefix(bits) // the length fits the address
	return prefix
}
