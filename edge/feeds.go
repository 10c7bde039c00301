package edge

import (
	"context"
	"sync"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/follow"
	"github.com/hodei-jobs/hodei/internal/rpc"
)

// linger is how long a feed without readers is kept, so that a client that
// reconnects at once can resume it.
const linger = 5 * time.Second

// ringBytes bounds the latest lines that all feeds together keep in memory.
const ringBytes = 32 << 20

// feeds shares one feed among all streams of an execution.
type feeds struct {
	cfg    Config
	ctx    context.Context // of Run: a feed outlives the request that starts it
	cancel context.CancelFunc
	runs   sync.WaitGroup
	memory *follow.Shared

	mu   sync.Mutex
	open map[hodei.ExecutionID]*shared
}

type shared struct {
	feed    *follow.Feed
	cancel  context.CancelFunc
	readers int
	idle    *time.Timer // runs while there are no readers
}

func newFeeds(ctx context.Context, cfg Config) *feeds {
	s := &feeds{cfg: cfg, memory: follow.NewShared(ringBytes, roomCount), open: map[hodei.ExecutionID]*shared{}}
	s.ctx, s.cancel = context.WithCancel(ctx)
	return s
}

// get returns the execution's feed, running, and a function that releases it.
func (s *feeds) get(id hodei.ExecutionID) (feed *follow.Feed, release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sh := s.open[id]
	if sh == nil {
		sh = s.start(id)
	}
	sh.readers++
	sh.idle.Stop()
	return sh.feed, func() { s.release(sh) }
}

// start runs a new feed. The caller holds the lock.
func (s *feeds) start(id hodei.ExecutionID) *shared {
	ctx, cancel := context.WithCancel(s.ctx)
	sh := &shared{cancel: cancel, feed: follow.NewFeed(follow.FeedConfig{NATS: s.cfg.NATS, ID: id, Log: s.cfg.Log, Shared: s.memory})}
	sh.idle = time.AfterFunc(linger, func() { s.drop(id, sh, false) })
	s.open[id] = sh
	s.runs.Go(func() {
		if err := rpc.Try(s.cfg.Log, "log feed", func() error { return sh.feed.Run(ctx) }); err != nil { // its readers get the error; the next reader starts a new feed
			s.drop(id, sh, true)
		}
	})
	return sh
}

func (s *feeds) release(sh *shared) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sh.readers--; sh.readers == 0 {
		sh.idle.Reset(linger)
	}
}

// drop removes the feed if it failed or has no readers.
func (s *feeds) drop(id hodei.ExecutionID, sh *shared, failed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sh.readers > 0 && !failed {
		return
	}
	sh.cancel()
	sh.feed.Forget()
	if s.open[id] == sh {
		delete(s.open, id)
	}
}

// close stops every feed and waits for them.
func (s *feeds) close() {
	s.cancel()
	s.runs.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sh := range s.open {
		sh.idle.Stop()
	}
}
