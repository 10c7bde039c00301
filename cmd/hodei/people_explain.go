package main

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
	"github.com/hodei-jobs/hodei/schemas"
)

func (p *people) newExplain() *cobra.Command {
	w := &workload{}
	cmd := p.command(&cobra.Command{
		Use: "explain [JOB|EXECUTION]", Short: "Show how a worker would be chosen, and why one waits", Args: cobra.MaximumNArgs(1),
		Long: `Show how a worker would be chosen for a job, for an execution that waits, or for
what --type, --label and --slots ask for: every worker with its score, criterion
by criterion, or why it is excluded. Nothing is changed.`,
		Example: `  hodei explain build
  hodei explain exec_0198c5f2-7b1e-7cc3-9d1e-3f6a2b4c5d6e
  hodei explain --type rust --label zone=a --slots 2`,
	}, func(ctx context.Context, s *session, args []string) error {
		req, err := s.dryRun(ctx, w, args)
		if err != nil {
			return err
		}
		return ask(ctx, s, schemas.Schedule, req, func(d schemas.Decision) error { return s.showDecision(ctx, d) })
	})
	w.addRequirements(cmd.Flags())
	commandLineOnly(cmd.Flags(), connection...)
	complete(cmd, "type", p.types())
	return completeFirst(cmd, func(cmd *cobra.Command, begun string) ([]string, error) {
		jobs, err := p.jobs()(cmd, begun)
		if err != nil {
			return nil, err
		}
		waiting, err := p.executions(hodei.Pending)(cmd, begun)
		return append(jobs, waiting...), err
	})
}

// dryRun is the question that an explanation answers.
func (s *session) dryRun(ctx context.Context, w *workload, args []string) (schemas.ScheduleRequest, error) {
	req := schemas.ScheduleRequest{DryRun: true}
	asked, err := w.request(nil)
	wanted := asked.Type != nil || asked.Requirements != nil
	switch {
	case err != nil:
		return req, err
	case wanted && len(args) > 0:
		return req, usageError{errors.New("a job or an execution brings its own requirements; leave out --type, --label and --slots")}
	case len(args) == 0:
		req.JobConfig = &schemas.JobConfig{Type: asked.Type, Requirements: asked.Requirements}
		return req, nil
	case strings.HasPrefix(args[0], hodei.ExecutionID{}.Prefix()+"_"):
		id, err := s.execution(ctx, args[0])
		req.ExecutionID = &id
		return req, err
	}
	id, err := s.job(ctx, args[0])
	if err != nil {
		return req, err
	}
	job, err := s.GetJob(ctx, schemas.GetJobRequest{ID: id})
	req.JobConfig = &schemas.JobConfig{Requirements: &job.Requirements, Priority: &job.Priority}
	return req, err
}

func (s *session) showDecision(ctx context.Context, d schemas.Decision) error {
	names := map[hodei.WorkerID]string{}
	for w, err := range s.AllWorkers(ctx, schemas.ListWorkersRequest{}) {
		if err != nil {
			break // the ids alone have to do
		}
		names[w.ID] = or(w.Name)
	}
	switch {
	case d.WorkerID != nil:
		s.say("it would run on %s (%s)", names[*d.WorkerID], d.WorkerID)
	case d.Reason != nil:
		s.say("it would wait: %s", plain(*d.Reason))
	}
	if len(d.Candidates) == 0 {
		s.say("there are no workers; `hodei worker` starts one")
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
		row := []string{c.WorkerID.String(), cmp.Or(names[c.WorkerID], none), plain(c.Type), points(c.Score)}
		for _, name := range columns {
			value, ok := c.Criteria[name]
			row = append(row, pointsIf(value, ok))
		}
		rows = append(rows, append(row, or(c.Excluded)))
	}
	return s.table(slices.Concat([]string{"id", "name", "type", "score"}, columns, []string{"excluded because"}), rows)
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
		return none
	}
	return fmt.Sprintf("%.2f", *score)
}

func pointsIf(value float64, known bool) string {
	if !known {
		return none
	}
	return points(&value)
}
