package progress

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/cli/render"
	"github.com/hodei-jobs/hodei/internal/cli/session"
	"github.com/hodei-jobs/hodei/schemas"
)

// look is the time between two looks at the queue.
const look = 3 * time.Second

// Waiting returns the places in the queue of the jobs of the run that wait for a worker, by
// their keys. It is empty if the queue cannot be read, as with a token for certain pipelines.
func Waiting(ctx context.Context, s *session.Session, run hodei.Run) map[string]schemas.QueueEntry {
	keys := map[hodei.ExecutionID]string{}
	for _, job := range run.Jobs {
		if job.Status == hodei.JobPending && job.ExecutionID != nil {
			keys[*job.ExecutionID] = job.Key
		}
	}
	if len(keys) == 0 {
		return nil
	}
	queue, err := s.GetQueue(ctx, schemas.GetQueueRequest{Limit: 1000})
	if err != nil {
		return nil
	}
	waiting := map[string]schemas.QueueEntry{}
	for _, entry := range queue.Items {
		if key, ok := keys[entry.ExecutionID]; ok {
			waiting[key] = entry
		}
	}
	return waiting
}

// watchQueue prints, once for each job, that no worker of the fleet can run it, until ctx is
// done. A job that waits for a busy worker starts without the user's help, and has no message.
func (r *Run) watchQueue(ctx context.Context) {
	noted := map[string]bool{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(r.look):
		}
		r.mu.Lock()
		run := r.run
		run.Jobs = slices.Clone(run.Jobs)
		r.mu.Unlock()
		waiting := Waiting(ctx, r.Session, run)
		for _, key := range slices.Sorted(maps.Keys(waiting)) {
			if entry := waiting[key]; entry.Impossible && !noted[key] {
				noted[key] = true
				r.out.note(fmt.Sprintf("%s waits: %s\n  %s", key, render.Plain(entry.Reason), r.Hint("explain %s/%s", r.Name, key)))
			}
		}
	}
}
