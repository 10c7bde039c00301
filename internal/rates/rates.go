package rates

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// kept bounds the callers whose rate is counted one by one, about 150 bytes each.
const kept = 20_000

// Rates limits how often each of many callers may do something. A caller has its own limiter
// as long as that remembers anything; more than kept at a time share one.
type Rates[K comparable] struct {
	limit rate.Limit // per second
	burst int

	mu     sync.Mutex
	of     map[K]*rate.Limiter
	rest   *rate.Limiter
	sweeps time.Time // the last one
}

// New allows each caller burst at once, and perSecond in the long run.
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

// Allow counts once for the caller, and reports whether it may. A nil *Rates allows everything.
func (r *Rates[K]) Allow(key K) bool { return r == nil || r.get(key).Allow() }

// Exhausted reports whether the caller may not, without counting.
func (r *Rates[K]) Exhausted(key K) bool {
	r.mu.Lock()
	limiter := r.of[key]
	r.mu.Unlock()
	return limiter != nil && limiter.Tokens() < 1
}

// sweep drops the limiters that remember nothing, at most once a second, and reports whether
// there is room. The caller holds the lock.
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

// PerSecond is a limiter of requests, nil without a limit. Its burst is two seconds' worth.
func PerSecond[K comparable](n int) *Rates[K] {
	if n == 0 {
		return nil
	}
	return New[K](float64(n), 2*n)
}
