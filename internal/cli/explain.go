package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
	"github.com/hodei-jobs/hodei/internal/cli/define"
	"github.com/hodei-jobs/hodei/internal/cli/render"
	"github.com/hodei-jobs/hodei/internal/cli/session"
	"github.com/hodei-jobs/hodei/schemas"
)

func newExplain(p *session.Flags) *cobra.Command {
	w := &define.Workload{}
	cmd := p.Command(&cobra.Command{
		Use: "explain [JOB|EXECUTION|RUN/JOB]", Short: "Show how workers are evaluated, and why an execution waits", Args: cobra.MaximumNArgs(1),
		Long: `Show how workers are evaluated for a job, for a waiting execution, or for the
requirements in --type, --label and --slots: every worker with its score, criterion
by criterion, or why it is not eligible. Nothing is changed.`,
		Example: `  hodei explain build
  hodei explain release#42/test
  hodei explain exec_0198c5f2-7b1e-7cc3-9d1e-3f6a2b4c5d6e
  hodei explain --type rust --label zone=a --slots 2`,
	}, func(ctx context.Context, s *session.Session, args []string) error {
		req, err := dryRun(ctx, s, w, args)
		if err != nil {
			return err
		}
		return session.Ask(ctx, s, schemas.Schedule, req, func(d schemas.Decision) error { return showDecision(ctx, s, d) })
	})
	w.AddRequirements(cmd.Flags())
	session.Complete(cmd, "type", p.Types())
	return session.CompleteFirst(cmd, func(cmd *cobra.Command, begun string) ([]string, error) {
		jobs, err := p.Jobs()(cmd, begun)
		if err != nil {
			return nil, err
		}
		waiting, err := p.Executions(hodei.Pending)(cmd, begun)
		return append(jobs, waiting...), err
	})
}

// dryRun is the question that an explanation answers.
func dryRun(ctx context.Context, s *session.Session, w *define.Workload, args []string) (schemas.ScheduleRequest, error) {
	req := schemas.ScheduleRequest{DryRun: true}
	asked, err := w.Request(nil)
	wanted := asked.Type != nil || asked.Requirements != nil
	switch {
	case err != nil:
		return req, err
	case wanted && len(args) > 0:
		return req, cmdline.Usagef("a job or an execution brings its own requirements; leave out --type, --label and --slots")
	case len(args) == 0:
		req.JobConfig = &schemas.JobConfig{Type: asked.Type, Requirements: asked.Requirements}
		return req, nil
	case session.IsRun(args[0]) || strings.HasPrefix(args[0], hodei.ExecutionID{}.Prefix()+"_"):
		id, err := s.Execution(ctx, args[0])
		req.ExecutionID = &id
		return req, err
	}
	id, err := s.Job(ctx, args[0])
	if errors.Is(err, hodei.NotFound) { // what the queue shows on a terminal is the end of an execution's id
		waiting, err := s.Execution(ctx, args[0])
		if errors.Is(err, hodei.NotFound) {
			err = fmt.Errorf("no job %q found, and %w", args[0], err)
		}
		req.ExecutionID = &waiting
		return req, err
	}
	if err != nil {
		return req, err
	}
	job, err := s.GetJob(ctx, schemas.GetJobRequest{ID: id})
	req.JobConfig = &schemas.JobConfig{Requirements: &job.Requirements, Priority: &job.Priority}
	return req, err
}

func showDecision(ctx context.Context, s *session.Session, d schemas.Decision) error {
	names, hidden := map[hodei.WorkerID]string{}, false
	for w, err := range s.AllWorkers(ctx, schemas.ListWorkersRequest{}) {
		if err != nil {
			hidden = errors.Is(err, hodei.Forbidden)
			break // the ids alone have to do
		}
		names[w.ID] = render.OrNone(w.Name)
	}
	switch {
	case d.WorkerID != nil:
		s.Note("would be placed on %s (%s)", cmp.Or(names[*d.WorkerID], render.None), d.WorkerID)
	case d.Reason != nil:
		s.Note("would wait: %s", render.Plain(*d.Reason))
	}
	if len(d.Candidates) == 0 {
		if !hidden { // a token that is limited to pipelines does not see the workers
			s.Note("there are no workers; `hodei worker` starts one")
		}
		return nil
	}
	slices.SortStableFunc(d.Candidates, func(a, b schemas.Candidate) int {
		return cmp.Or(-cmp.Compare(score(a), score(b)), strings.Compare(names[a.WorkerID], names[b.WorkerID]))
	})
	criteria := map[string]bool{}
	for _, c := range d.Candidates {
		for name := range c.Criteria {
			criteria[name] = true
		}
	}
	columns := slices.Sorted(maps.Keys(criteria))
	var rows [][]string
	for _, c := range d.Candidates {
		row := []string{c.WorkerID.String(), cmp.Or(names[c.WorkerID], render.None), render.Plain(c.Type), points(c.Score)}
		for _, name := range columns {
			value, ok := c.Criteria[name]
			row = append(row, pointsIf(value, ok))
		}
		rows = append(rows, append(row, render.OrNone(c.Excluded)))
	}
	return s.Table(slices.Concat([]string{"id", "name", "type", "score"}, columns, []string{"not eligible because"}), rows)
}

// score is that of a candidate, below all others for one that is excluded.
func score(c schemas.Candidate) float64 {
	if c.Score == nil {
		return -1
	}
	return *c.Score
}

func points(score *float64) string {
	if score == nil {
		return render.None
	}
	return fmt.Sprintf("%.2f", *score)
}

func pointsIf(value float64, known bool) string {
	if !known {
		return render.None
	}
	return points(&value)
}
