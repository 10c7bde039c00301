package due

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/sync/errgroup"

	"github.com/hodei-jobs/hodei"
)

// Sweep is the longest time between two looks at the rows.
const Sweep = 5 * time.Second

// pauseFirst is the pause before the next look when a row is due and none could be
// taken, because another instance has it or because its work failed. It doubles
// with each such look.
const pauseFirst = 5 * time.Millisecond

// Rows are the due rows of one kind.
type Rows struct {
	// Name is for the log, as in "retries".
	Name string
	// Subject is where a message announces that a row is due, or will be.
	Subject string
	// Next returns the time until the next row is due, at most the given time, and 0
	// when one is due now.
	Next func(ctx context.Context, most time.Duration) (time.Duration, error)
	// Take locks rows that are due, at least one, and does their work. It reports whether
	// more may be due, and returns hodei.NotFound when none is due that no other instance
	// has locked.
	Take func(ctx context.Context) (more bool, err error)
	// AtOnce is how many calls of Take run at a time; 0 is one.
	AtOnce int
}

// Run takes the rows when they are due, until ctx is done.
func (r Rows) Run(ctx context.Context, nc *nats.Conn, log *slog.Logger) error {
	// One message in the channel is enough: a look takes everything that is due.
	woken := make(chan struct{}, 1)
	sub, err := nc.Subscribe(r.Subject, func(msg *nats.Msg) {
		if len(msg.Data) > 0 { // an acknowledgement of JetStream, which a worker can direct here
			return
		}
		select {
		case woken <- struct{}{}:
		default:
		}
	})
	if err != nil {
		return fmt.Errorf("subscribe to %s: %w", r.Subject, err)
	}
	defer sub.Unsubscribe()
	return r.loop(ctx, woken, log)
}

func (r Rows) loop(ctx context.Context, woken <-chan struct{}, log *slog.Logger) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	pause := pauseFirst
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-woken:
		}
		took, err := r.takeAll(ctx)
		if err != nil && ctx.Err() == nil {
			log.WarnContext(ctx, "due rows not processed", "rows", r.Name, "err", err)
		}
		if took {
			pause = pauseFirst
			if len(woken) > 0 {
				continue // look again at once
			}
		}
		wait := r.next(ctx)
		if !took && wait < pause { // a row is due but locked by another instance
			wait, pause = pause, min(2*pause, Sweep)
		} else {
			pause = pauseFirst
		}
		timer.Reset(wait)
	}
}

// takeAll takes rows until none is due, and reports whether it took any.
func (r Rows) takeAll(ctx context.Context) (bool, error) {
	var took atomic.Bool
	var g errgroup.Group
	for range max(1, r.AtOnce) {
		g.Go(func() error {
			some, err := r.takeSome(ctx)
			if some {
				took.Store(true)
			}
			return err
		})
	}
	err := g.Wait()
	return took.Load(), err
}

func (r Rows) takeSome(ctx context.Context) (took bool, err error) {
	for more := true; more; took = true {
		if more, err = r.Take(ctx); errors.Is(err, hodei.NotFound) {
			return took, nil
		} else if err != nil {
			return took, err
		}
	}
	return took, nil
}

func (r Rows) next(ctx context.Context) time.Duration {
	next, err := r.Next(ctx, Sweep)
	if err != nil {
		return Sweep
	}
	return next
}
