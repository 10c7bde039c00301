package session

import (
	"context"
	"strconv"
	"strings"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/cli/render"
	"github.com/hodei-jobs/hodei/schemas"
)

// RunName is a run as people name it: release#42, or its id where the pipeline has no slug.
func RunName(r hodei.Run) string {
	if r.Pipeline == nil {
		return r.ID.String()
	}
	return *r.Pipeline + "#" + strconv.Itoa(r.Number)
}

// IsRun reports whether the text can only mean a run, or a job of one: release#42,
// run_0198…, release#42/test.
func IsRun(text string) bool {
	return strings.Contains(text, "#") || strings.HasPrefix(text, hodei.RunID{}.Prefix()+"_")
}

// JobOfRun finds a job of a run by release#42/test, and returns the run as well. The job
// is nil where the text names the run alone.
func (s *Session) JobOfRun(ctx context.Context, text string) (hodei.Run, *hodei.RunJob, error) {
	name, key, one := strings.Cut(text, "/")
	id, err := s.Run(ctx, name)
	if err != nil {
		return hodei.Run{}, nil, err
	}
	run, err := s.GetRun(ctx, schemas.GetRunRequest{ID: id})
	if err != nil || !one {
		return run, nil, err
	}
	var keys []string
	for i, job := range run.Jobs {
		if job.Key == key {
			return run, &run.Jobs[i], nil
		}
		keys = append(keys, job.Key)
	}
	return run, nil, hodei.Errorf(hodei.NotFound, "%s has no job %q; it has %s", RunName(run), key, render.Plain(strings.Join(keys, ", ")))
}

// ExecutionOfRun is the execution of a job of a run: its own, or the one of an earlier run
// whose result it took.
func ExecutionOfRun(run hodei.Run, job hodei.RunJob) (hodei.ExecutionID, error) {
	if id := job.LastExecution(); id != nil {
		return *id, nil
	}
	return hodei.ExecutionID{}, hodei.Errorf(hodei.NotFound, "%s/%s was never executed: it is %s", RunName(run), job.Key, job.Status)
}
