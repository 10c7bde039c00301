package edge

import (
	"net/http"
	"net/netip"
	"sync"

	"github.com/hodei-jobs/hodei"
)

// limitAddress refuses requests of an address beyond its rate, before any other work.
func (e *Edge) limitAddress(next http.Handler) http.Handler {
	if e.perAddress == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !e.perAddress.Allow(network(address(r))) {
			refuse(w, r, hodei.Errorf(hodei.RateLimited, "Too many requests from this address: more than %d a second (--rate-per-address)", e.cfg.RatePerAddress))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// limitToken refuses requests with a token or a session beyond its rate.
func (e *Edge) limitToken(c hodei.Caller) error {
	if c.ID == nil || e.perToken.Allow(*c.ID) {
		return nil
	}
	return hodei.Errorf(hodei.RateLimited, "Too many requests with this token: more than %d a second (--rate-per-token)", e.cfg.RatePerToken)
}

// connections counts the connections of each address.
type connections struct {
	most int // limit for one address; 0 means no limit

	mu sync.Mutex
	of map[netip.Prefix]int
}

// enter counts a connection. It returns false if the address has reached its limit.
func (c *connections) enter(from netip.Prefix) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.of[from]++
	return c.most == 0 || c.of[from] <= c.most
}

func (c *connections) leave(from netip.Prefix) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of[from]--; c.of[from] == 0 {
		delete(c.of, from)
	}
}
