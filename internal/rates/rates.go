package rates

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// kept is the most callers with a separate limiter, of about 150 bytes each.
const kept = 20_000

// Rates limits the rate of requests of each of many callers. Each caller has a limiter until its
// burst is available again. Callers beyond kept share one limiter.
type Rates[K comparable] struct {
	limit rate.Limit // per second
	burst int

	mu     sync.Mutex
	of     map[K]*rate.Limiter
	rest   *rate.Limiter
	sweeps time.Time // the last one
}

// New allows each caller perSecond requests a second, and burst requests at once.
func New[K comparable](perSecond float64, burst int) *Rates[K] {
	limit := rate.Limit(perSecond)
	return &Rates[K]{limit: limit, burst: burst, of: map[K]*rate.Limiter{}, rest: rate.NewLimiter(limit, burst)}
}

// get returns the limiter of the caller.
func (r *Rates[K]) get(key K) *rate.Limiter {
	r.mu.Lock()
	defer r.mu.Unlock()
	limiter := r.of[key]
	if limiter == nil {
		if len(r.of) >= kept && !r.sweep() {
			return r.rest
		}
		limiter = rate.NewLimiter(r.limit, r.burst)
		r.of[key] = limiter
	}
	return limiter
}

// Allow counts one request of the caller and reports whether it is allowed. A nil *Rates allows
// everything.
func (r *Rates[K]) Allow(key K) bool { return r == nil || r.get(key).Allow() }

// Exhausted reports whether the caller has reached its limit, without counting a request.
func (r *Rates[K]) Exhausted(key K) bool {
	r.mu.Lock()
	limiter := r.of[key]
	r.mu.Unlock()
	return limiter != nil && limiter.Tokens() < 1
}

// sweep removes the limiters whose burst is available again, at most once a second, and reports
// whether there is room for another limiter. The caller holds the lock.
func (r *Rates[K]) sweep() bool {
	if now := time.Now(); now.Sub(r.sweeps) > time.Second {
		r.sweeps = now
		for key, limiter := range r.of {
			if limiter.TokensAt(now) >= float64(r.burst) {
				delete(r.of, key)
			}
		}
	}
	return len(r.of) < kept
}

// PerSecond returns a limiter of requests; nil without a limit. The burst is twice the rate.
func PerSecond[K comparable](n int) *Rates[K] {
	if n == 0 {
		return nil
	}
	return New[K](float64(n), 2*n)
}
