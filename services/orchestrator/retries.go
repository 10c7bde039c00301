package orchestrator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
)

// retrySweep is how often the record is asked for retries of which nobody has
// told: the word was lost, or said while no instance ran.
const retrySweep = 5 * time.Second

// retryPause is the least time between two looks: what is due may be in the
// hands of another instance.
const retryPause = 5 * time.Millisecond

// retry executes again what is to be retried, when it is due, until ctx is
// done. All it knows is in the record, so instances may come and go.
func (o *Orchestrator) retry(ctx context.Context) error {
	told := make(chan struct{}, 1) // one value: there may be a nearer one
	sub, err := o.nc.Subscribe(schemas.RetrySubject, func(*nats.Msg) {
		select {
		case told <- struct{}{}:
		default:
		}
	})
	if err != nil {
		return fmt.Errorf("hear of retries: %w", err)
	}
	defer sub.Unsubscribe()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
			if err := o.retryDue(ctx); err != nil && ctx.Err() == nil {
				o.log.WarnContext(ctx, "retries put off", "err", err)
			}
		case <-told:
		}
		next, err := o.db.NextRetry(ctx, retrySweep)
		if err != nil {
			next = retrySweep
		}
		timer.Reset(max(next, retryPause))
	}
}

// retryDue creates every execution that is due and has it scheduled. One that
// no scheduler hears of waits in the record to be adopted.
func (o *Orchestrator) retryDue(ctx context.Context) error {
	for {
		e, err := o.db.CreateRetry(ctx)
		if errors.Is(err, hodei.NotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		o.log.InfoContext(ctx, "execution retried", "execution_id", e.ID, "retry_of", *e.RetryOf, "attempt", e.Attempt)
		o.publish(ctx, schemas.EventCreated, e)
		if _, err := o.queue(ctx, e); err != nil {
			return err
		}
	}
}
