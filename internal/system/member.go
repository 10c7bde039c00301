package system

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/hodei-jobs/hodei/worker"
)

// A kept worker that has left is replaced after firstPause, and after up to
// lastPause if its successors leave soon as well. One that stayed for steady
// starts the series again.
const (
	firstPause = time.Second
	lastPause  = time.Minute
	steady     = time.Minute
)

// member is one configured worker: the one that runs now and, if keep is set,
// those that take its place.
type member struct {
	cfg  worker.Config
	keep bool
	log  *slog.Logger

	mu      sync.Mutex
	current *worker.Worker
	over    chan struct{} // closed by terminate
}

func newMember(cfg worker.Config, keep bool) (*member, error) {
	w, err := worker.New(cfg)
	return &member{cfg: cfg, keep: keep, log: cmp.Or(cfg.Log, slog.New(slog.DiscardHandler)), current: w, over: make(chan struct{})}, err
}

// run runs the worker until ctx is done. A kept worker that leaves because of a
// command, or that fails once it has been ready, is followed by another. After a
// command the next worker registers under an id of its own, and the one that was
// drained or terminated stays TERMINATED: a script that polls for that state does
// not miss it.
func (m *member) run(ctx context.Context) error {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = firstPause, lastPause
	w, wasReady := m.worker(), false
	for {
		began := time.Now()
		err := w.Run(ctx)
		wasReady = wasReady || isReady(w)
		if !m.keep || !wasReady || ctx.Err() != nil || m.isOver() {
			return err
		}
		if time.Since(began) > steady {
			pause.Reset()
		}
		wait := pause.NextBackOff().Round(time.Millisecond)
		if err == nil {
			m.log.Warn("worker has left: a new one takes its place", "worker_id", w.ID(), "pause", wait.String())
		} else {
			m.log.Error("worker failed: starting it again", "worker_id", w.ID(), "pause", wait.String(), "err", err)
		}
		if !m.sleep(ctx, wait) {
			return nil
		}
		if w, err = m.replace(err == nil); err != nil {
			return err
		}
	}
}

// sleep reports whether the member goes on after the wait.
func (m *member) sleep(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
	case <-m.over:
	}
	return false
}

// replace makes the next worker. It ends at once if the member is over.
func (m *member) replace(fresh bool) (*worker.Worker, error) {
	cfg := m.cfg
	cfg.Fresh = fresh
	w, err := worker.New(cfg)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.current = w
	if m.isOver() {
		w.Terminate()
	}
	return w, nil
}

// terminate has the worker kill what it runs and leave; none takes its place.
func (m *member) terminate() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.isOver() {
		close(m.over)
	}
	m.current.Terminate()
}

func (m *member) isOver() bool {
	select {
	case <-m.over:
		return true
	default:
		return false
	}
}

func (m *member) worker() *worker.Worker {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.current
}

func isReady(w *worker.Worker) bool {
	select {
	case <-w.Ready():
		return true
	default:
		return false
	}
}
