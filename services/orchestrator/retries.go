package orchestrator

import (
	"context"

	"github.com/hodei-jobs/hodei/internal/due"
	"github.com/hodei-jobs/hodei/schemas"
)

// retries are the executions with a retry that is due.
func (o *Orchestrator) retries() due.Rows {
	return due.Rows{Name: "retries", Subject: schemas.RetrySubject, Next: o.db.NextRetry, Take: o.retryDue}
}

// retryDue creates the retry that has been due longest. The scheduler queues it from its
// created event, or its sweep finds it.
func (o *Orchestrator) retryDue(ctx context.Context) (more bool, err error) {
	e, err := o.db.CreateRetry(ctx)
	if err != nil {
		return false, err
	}
	o.log.InfoContext(ctx, "execution retried", "execution_id", e.ID, "retry_of", *e.RetryOf, "attempt", e.Attempt)
	o.publish(ctx, schemas.EventCreated, e)
	return true, nil
}
