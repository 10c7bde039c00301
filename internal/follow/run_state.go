package follow

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
)

const (
	// rest is the shortest time between two reads of a run, and restFactor times what the
	// last one took: a run of many jobs is read less often.
	rest       = 25 * time.Millisecond
	restFactor = 10
	// lookAtRun is the longest time, in case events were lost.
	lookAtRun = 15 * time.Second
)

// RunStateConfig configures a RunState. NATS, ID and Watch are required.
type RunStateConfig struct {
	NATS *nats.Conn
	ID   hodei.RunID
	Log  *slog.Logger
	// Watch calls changed when it is certain to see the next event, and then at each event of
	// the run and of its executions, until ctx is done. It is repeated when it fails.
	Watch func(ctx context.Context, id hodei.RunID, changed func()) error
}

// RunState is the state of one run, read from the record whenever it has changed, for any
// number of readers in this process. It works while Run does. Changes that follow each other
// within rest are one.
type RunState struct {
	cfg RunStateConfig

	mu      sync.Mutex
	run     hodei.Run
	known   bool
	err     error
	changed chan struct{} // closed and replaced when any of this changes
}

// NewRunState returns a state that is unknown until Run has read it.
func NewRunState(cfg RunStateConfig) *RunState {
	cfg.Log = cmp.Or(cfg.Log, slog.New(slog.DiscardHandler)).With("run_id", cfg.ID)
	return &RunState{cfg: cfg, changed: make(chan struct{})}
}

// Run follows the run until it has ended or ctx is done, and then returns nil. It fails if the
// run cannot be read at first, or no longer exists.
func (s *RunState) Run(ctx context.Context) (err error) {
	defer func() { s.stop(err) }()
	events := rpc.NewSignal() // of several events one suffices
	watching, cancel := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() { s.watch(watching, events) })
	defer watch.Wait()
	defer cancel()
	for pause := NewPause(); ; {
		began := time.Now()
		run, err := rpc.Call(ctx, s.cfg.NATS, schemas.GetRun, schemas.GetRunRequest{ID: hodei.RefTo(s.cfg.ID)})
		wait := max(rest, restFactor*time.Since(began))
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && (!s.isKnown() || Final(err) || s.cfg.NATS.IsClosed()):
			return err
		case err != nil:
			s.cfg.Log.Debug("run not read", "err", err)
			wait = pause.NextBackOff()
		default:
			pause.Reset()
			s.set(run)
		}
		if err == nil && run.Status.Ended() {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
		if err != nil {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-events:
		case <-time.After(lookAtRun):
		}
	}
}

// watch signals the events of the run.
func (s *RunState) watch(ctx context.Context, events rpc.Signal) {
	for pause := NewPause(); ctx.Err() == nil; {
		err := rpc.Try(s.cfg.Log, "events of a run", func() error {
			return s.cfg.Watch(ctx, s.cfg.ID, events.Set)
		})
		s.cfg.Log.Debug("events of a run to be followed again", "err", err)
		select {
		case <-ctx.Done():
		case <-time.After(pause.NextBackOff()):
		}
	}
}

// Now returns the run, which must not be modified, and a channel that is closed at the next
// change. It waits until the run was read once. It fails when the state is no longer followed
// although the run has not ended.
func (s *RunState) Now(ctx context.Context) (hodei.Run, <-chan struct{}, error) {
	for {
		s.mu.Lock()
		run, known, changed, err := s.run, s.known, s.changed, s.err
		s.mu.Unlock()
		if known || err != nil {
			return run, changed, err
		}
		select {
		case <-ctx.Done():
			return run, nil, ctx.Err()
		case <-changed:
		}
	}
}

// Forget does nothing: the state of a run is small.
func (s *RunState) Forget() {}

func (s *RunState) isKnown() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.known
}

func (s *RunState) set(run hodei.Run) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.run, s.known = run, true
	s.wake()
}

// stop ends the readers, unless the end of the run is known.
func (s *RunState) stop(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known && s.run.Status.Ended() {
		return
	}
	if s.err = err; err == nil {
		s.err = hodei.Errorf(hodei.Unavailable, "Following the run was stopped")
	}
	s.wake()
}

// wake wakes every waiting reader. The caller holds the lock.
func (s *RunState) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}
