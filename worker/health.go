package worker

import (
	"context"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
)

var errNotRegistered = hodei.Errorf(hodei.Unavailable, "not registered yet")

// Health is the worker's own: registered, and with space on its disk. A disk without
// space is reported only: what runs goes on.
func (w *Worker) Health() schemas.Health {
	return rpc.Health(context.Background(), rpc.Checks{"registered": func(context.Context) error { return w.registered() }},
		rpc.Checks{"disk": func(context.Context) error { return w.disk.Check() }})
}

func (w *Worker) registered() error {
	select {
	case <-w.ready:
		return nil
	default:
		return errNotRegistered
	}
}
