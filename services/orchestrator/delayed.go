package orchestrator

import (
	"context"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/due"
	"github.com/hodei-jobs/hodei/schemas"
)

// delayed are the executions that must not start before a time.
func (o *Orchestrator) delayed() due.Rows {
	return due.Rows{Name: "delayed executions", Subject: schemas.DelayedSubject, Next: o.db.NextDelayed, Take: o.releaseDue}
}

// releaseDue queues executions whose time has come: the scheduler takes them in from their
// events, or finds them in the record.
func (o *Orchestrator) releaseDue(ctx context.Context) (more bool, err error) {
	released, err := o.db.ReleaseDelayed(ctx)
	for _, e := range released {
		o.publish(ctx, schemas.EventRequeued, e)
	}
	return true, err
}

// delay records an execution that must not start before a time.
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

// held is why an execution waits, for the reply of execute.
func held(e hodei.Execution) schemas.Decision {
	d := decided(e)
	if isHeld(e) {
		why := "not before " + e.NotBefore.UTC().Format(time.RFC3339)
		d.Reason = &why
	}
	return d
}

func isHeld(e hodei.Execution) bool { return e.Reason != nil && *e.Reason == hodei.ReasonNotBefore }
