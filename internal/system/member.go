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

// A kept worker that has left is replaced after firstPause. If its successors
// leave soon as well, the pause grows up to lastPause. A worker that ran for
// steady resets the pause.
const (
	firstPause = time.Second
	lastPause  = time.Minute
	steady     = time.Minute
)

// member is one configured worker: the running one and, if keep is set, its
// replacements.
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
// command, or that fails after it was ready, is replaced. After a command the
// new worker registers under a new id, and the drained or terminated one stays
// TERMINATED, so that a script that polls for that state does not miss it.
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
			m.log.Warn("worker has left, starting another", "worker_id", w.ID(), "pause", wait.String())
		} else {
			m.log.Error("worker failed, restarting it", "worker_id", w.ID(), "pause", wait.String(), "err", err)
		}
		if !m.sleep(ctx, wait) {
			return nil
		}
		if w, err = m.replace(err == nil); err != nil {
			return err
		}
	}
}

// sleep waits and reports whether the member continues.
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

// replace creates the next worker. The worker ends at once if the member is
// over.
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

// terminate makes the worker kill its executions and leave, without a
// replacement.
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
