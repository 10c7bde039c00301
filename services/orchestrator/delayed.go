package orchestrator

import (
	"context"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/due"
	"github.com/hodei-jobs/hodei/schemas"
)

// delayed are the executions with a not_before.
func (o *Orchestrator) delayed() due.Rows {
	return due.Rows{Name: "delayed executions", Subject: schemas.DelayedSubject, Next: o.db.NextDelayed, Take: o.releaseDue}
}

// releaseDue releases executions whose not_before has passed. The scheduler queues them from
// their events, or its sweep finds them.
func (o *Orchestrator) releaseDue(ctx context.Context) (more bool, err error) {
	released, err := o.db.ReleaseDelayed(ctx)
	for _, e := range released {
		o.publish(ctx, schemas.EventRequeued, e)
	}
	return true, err
}

// delay records an execution with a not_before.
func (o *Orchestrator) delay(ctx context.Context, draft hodei.Execution) (hodei.Execution, error) {
	if err := o.disks.Check(); err != nil {
		return draft, err
	}
	if draft.Command.IsZero() {
		return draft, hodei.InvalidField("command", "required: the job has none")
	}
	e, err := o.db.CreateExecution(ctx, draft)
	if err == nil {
		o.publish(ctx, schemas.EventCreated, e)
		_ = o.nc.Publish(schemas.DelayedSubject, nil)
	}
	return e, err
}

// held returns the decision for an execution that waits for its not_before.
func held(e hodei.Execution) schemas.Decision {
	d := schemas.DecisionOf(e)
	if e.Held() {
		d.Reason = new("not before " + e.NotBefore.UTC().Format(time.RFC3339))
	}
	return d
}
