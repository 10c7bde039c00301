package orchestrator

import (
	"context"
	"sync"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
)

// statsAge is how old statistics may be. Postgres computes them at most once in
// that time.
const statsAge = time.Second

// lastStats caches the answer to the last request.
type lastStats struct {
	mu      sync.Mutex
	request schemas.GetStatsRequest
	at      time.Time
	stats   hodei.Stats
}

func (o *Orchestrator) getStats(ctx context.Context, req schemas.GetStatsRequest) (hodei.Stats, error) {
	last := &o.stats
	last.mu.Lock()
	defer last.mu.Unlock()
	now := time.Now().UTC()
	if last.request == req && now.Sub(last.at) < statsAge {
		return last.stats, nil
	}
	seconds, n := req.Shape()
	bucket := time.Duration(seconds) * time.Second
	stats, err := o.db.Stats(ctx, now.Truncate(bucket).Add(-time.Duration(n-1)*bucket), bucket, n)
	if err == nil {
		last.request, last.at, last.stats = req, now, stats
	}
	return stats, err
}
