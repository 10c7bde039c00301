package edge

import (
	"context"
	"log/slog"
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

// follower is what readers share: a follow.Feed or a follow.RunState.
type follower interface {
	Run(context.Context) error
	// Forget drops what it keeps in memory, once it does not run any more.
	Forget()
}

// feeds shares one follower of a record among all streams of it.
type feeds[K comparable, F follower] struct {
	log    *slog.Logger
	begin  func(K) F
	ctx    context.Context // of Run: a follower outlives the request that starts it
	cancel context.CancelFunc
	runs   sync.WaitGroup

	mu   sync.Mutex
	open map[K]*shared[F]
}

type shared[F follower] struct {
	feed    F
	cancel  context.CancelFunc
	readers int
	idle    *time.Timer // runs while there are no readers
}

func newFeeds[K comparable, F follower](ctx context.Context, log *slog.Logger, begin func(K) F) *feeds[K, F] {
	s := &feeds[K, F]{log: log, begin: begin, open: map[K]*shared[F]{}}
	s.ctx, s.cancel = context.WithCancel(ctx)
	return s
}

// newLogFeeds shares the logs of executions.
func newLogFeeds(ctx context.Context, cfg Config) *feeds[hodei.ExecutionID, *follow.Feed] {
	memory := follow.NewShared(ringBytes, roomCount)
	return newFeeds(ctx, cfg.Log, func(id hodei.ExecutionID) *follow.Feed {
		return follow.NewFeed(follow.FeedConfig{NATS: cfg.NATS, ID: id, Log: cfg.Log, Shared: memory})
	})
}

// newRunFeeds shares the states of runs.
func newRunFeeds(ctx context.Context, cfg Config, hub *hub) *feeds[hodei.RunID, *follow.RunState] {
	return newFeeds(ctx, cfg.Log, func(id hodei.RunID) *follow.RunState {
		return follow.NewRunState(follow.RunStateConfig{NATS: cfg.NATS, ID: id, Log: cfg.Log, Watch: hub.watchRun})
	})
}

// get returns the record's follower, running, and a function that releases it.
func (s *feeds[K, F]) get(id K) (feed F, release func()) {
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

// start runs a new follower. The caller holds the lock.
func (s *feeds[K, F]) start(id K) *shared[F] {
	ctx, cancel := context.WithCancel(s.ctx)
	sh := &shared[F]{cancel: cancel, feed: s.begin(id)}
	sh.idle = time.AfterFunc(linger, func() { s.drop(id, sh, false) })
	s.open[id] = sh
	s.runs.Go(func() {
		if err := rpc.Try(s.log, "feed", func() error { return sh.feed.Run(ctx) }); err != nil { // its readers get the error; the next reader starts a new one
			s.drop(id, sh, true)
		}
	})
	return sh
}

func (s *feeds[K, F]) release(sh *shared[F]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sh.readers--; sh.readers == 0 {
		sh.idle.Reset(linger)
	}
}

// drop removes the follower if it failed or has no readers.
func (s *feeds[K, F]) drop(id K, sh *shared[F], failed bool) {
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

// close stops every follower and waits for them.
func (s *feeds[K, F]) close() {
	s.cancel()
	s.runs.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sh := range s.open {
		sh.idle.Stop()
	}
}
