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
)

// announceGap is the least time between two writes of the key: changes that
// come closer together share one.
const announceGap = 50 * time.Millisecond

// putTimeout bounds one attempt to write the key, putPause is the time between
// attempts that failed.
const (
	putTimeout = 2 * time.Second
	putPause   = time.Second
)

// announce writes the worker's key at every change, and to renew its lease,
// until ctx is done. It calls written after each success. Nothing waits for it.
func (w *Worker) announce(ctx context.Context, bucket *kv.Workers, written func()) {
	failing := false
	for ctx.Err() == nil {
		sent := uptime()
		err := w.put(ctx, bucket)
		switch {
		case err == nil:
			w.heard(sent)
			written()
			failing = false
			w.unlessDone(ctx, announceGap, nil)
			w.unlessDone(ctx, kv.UntilRenewal(w.id, time.Now(), w.renewal()), w.slots.changed)
		case ctx.Err() == nil:
			if !failing { // once an outage
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

// availability is the worker's state now, as it writes it to its key.
func (w *Worker) availability() hodei.Availability {
	a := hodei.Availability{
		WorkerID: w.id, Type: w.cfg.Type, Labels: w.cfg.Labels, Load: load(), Dedicated: w.cfg.Dedicated,
		Incarnation: w.incarnation, Version: w.cfg.Version,
	}
	if err := w.disk.Check(); err != nil {
		a.Blocked = hodei.AsError(err).Message
	}
	w.slots.say(&a)
	return a
}

// unlessDone waits, until a reconnect or a value from wake ends the wait.
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

// load is the one-minute load average divided by the number of cores, 0 where
// the system does not say.
func load() float64 {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(text), " ")
	average, _ := strconv.ParseFloat(first, 64)
	return average / float64(runtime.NumCPU())
}

// renewNow writes the key at once: NATS is back, and may have lost it.
func (w *Worker) renewNow() {
	select {
	case w.reconnected <- struct{}{}:
	default:
	}
}
