package worker

import (
	"context"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/kv"
	"github.com/hodei-jobs/hodei/worker/reaper"
)

// announceGap is the minimum time between two writes of the key: changes closer
// together share one.
const announceGap = 50 * time.Millisecond

// putTimeout bounds one attempt to write the key. putPause is the time between
// failed attempts.
const (
	putTimeout = 2 * time.Second
	putPause   = time.Second
)

// announce writes the worker's key after every change, and to renew its lease,
// until ctx is done. It calls written after each success. No other code waits
// for it.
func (w *Worker) announce(ctx context.Context, bucket *kv.Workers, written func()) {
	failing := false
	for ctx.Err() == nil {
		sent := reaper.Uptime()
		err := w.put(ctx, bucket)
		switch {
		case err == nil:
			w.contacted(sent)
			written()
			failing = false
			w.unlessDone(ctx, announceGap, nil)
			w.unlessDone(ctx, kv.UntilRenewal(w.id, time.Now(), w.renewal()), w.slots.changed)
		case ctx.Err() == nil:
			if !failing { // once per outage
				w.log.Warn("availability not written", "worker_id", w.id, "err", err)
			}
			failing = true
			w.unlessDone(ctx, putPause, nil)
		}
	}
}

func (w *Worker) put(ctx context.Context, bucket *kv.Workers) error {
	ctx, cancel := context.WithTimeout(ctx, putTimeout)
	defer cancel()
	return bucket.Put(ctx, w.availability())
}

// availability returns the worker's current report.
func (w *Worker) availability() hodei.Availability {
	a := hodei.Availability{
		WorkerID: w.id, Type: w.cfg.Type, Labels: w.cfg.Labels, Load: load(), Dedicated: w.cfg.Dedicated,
		Incarnation: w.incarnation, Version: w.cfg.Version, SealKey: w.seal.Public(),
	}
	if err := w.disk.Check(); err != nil {
		a.Blocked = hodei.AsError(err).Message
	}
	w.slots.report(&a)
	return a
}

// unlessDone waits until d has passed, ctx is done, or a reconnect or a value
// from wake ends the wait.
func (w *Worker) unlessDone(ctx context.Context, d time.Duration, wake <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-wake:
	case <-w.reconnected:
	}
}

// load is the one-minute load average divided by the number of cores, 0 if the
// system does not report it.
func load() float64 {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(text), " ")
	average, _ := strconv.ParseFloat(first, 64)
	return average / float64(runtime.NumCPU())
}
