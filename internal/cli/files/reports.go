package files

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/cli/render"
	"github.com/hodei-jobs/hodei/internal/cli/session"
	"github.com/hodei-jobs/hodei/schemas"
)

// NewReports returns `hodei pipeline reports`.
func NewReports(p *session.Flags) *cobra.Command {
	var req schemas.ListReportsRequest
	cmd := p.Listing(&cobra.Command{
		Use: "reports ID|NAME", Short: "List the test reports of the last runs of a pipeline, newest first", Args: cobra.ExactArgs(1),
		Long: `List the test reports of the last 100 runs of a pipeline, newest first: the JUnit
XML files in the artifacts of their jobs.`,
		Example: "  hodei pipeline reports release",
	}, func(ctx context.Context, s *session.Session, args []string) (err error) {
		if req.ID, err = s.PipelineRef(ctx, args[0]); err != nil {
			return err
		}
		return session.List(ctx, s, schemas.ListReports, req, []string{"run", "job", "artifact", "tests", "took", "failed", "age"},
			func(a hodei.Artifact) []string {
				return []string{"#" + number(a.RunNumber), render.Plain(render.OrNone(a.JobKey)), render.Plain(a.Name), Counts(a.Report),
					render.Seconds(&a.Report.DurationSeconds), render.Clip(failures(a.Report), 60), s.Age(a.CreatedAt)}
			})
	})
	session.AddPage(cmd.Flags(), &req.Page)
	return session.CompleteFirst(cmd, p.Pipelines())
}

func number(n *int) string {
	if n == nil {
		return render.None
	}
	return fmt.Sprint(*n)
}

// Counts returns the numbers of tests for a table.
func Counts(r *hodei.TestReport) string {
	if r == nil {
		return render.None
	}
	return r.String()
}

// failures returns the names of the failed tests.
func failures(r *hodei.TestReport) string {
	var names []string
	for _, t := range r.Failures {
		names = append(names, render.Plain(t.Name))
	}
	return cmp.Or(strings.Join(names, " "), render.None)
}

// ReportsOf returns the artifacts of a run that have reports. If they cannot be read, it prints
// a note and returns none.
func ReportsOf(ctx context.Context, s *session.Session, r hodei.Run) (found []hodei.Artifact) {
	for a, err := range s.AllArtifacts(ctx, schemas.ListArtifactsRequest{ID: hodei.RefTo(r.ID)}) {
		if err != nil {
			s.Note("test reports not shown: %v", err)
			return nil
		}
		if a.Report != nil {
			found = append(found, a)
		}
	}
	return found
}

// Total counts the tests of all reports.
func Total(reports []hodei.Artifact) *hodei.TestReport {
	sum := &hodei.TestReport{}
	for _, a := range reports {
		sum.Passed, sum.Failed, sum.Skipped = sum.Passed+a.Report.Passed, sum.Failed+a.Report.Failed, sum.Skipped+a.Report.Skipped
	}
	return sum
}

// ShowFailures prints the tests that failed.
func ShowFailures(s *session.Session, reports []hodei.Artifact) error {
	var rows [][]string
	for _, a := range reports {
		for _, t := range a.Report.Failures {
			why, _, _ := strings.Cut(t.Message, "\n")
			rows = append(rows, []string{render.Plain(render.OrNone(a.JobKey)), render.Clip(t.Suite, 40), render.Clip(t.Name, 60), cmp.Or(render.Clip(why, 80), render.None)})
		}
		if more := a.Report.Failed - len(a.Report.Failures); more > 0 {
			rows = append(rows, []string{render.Plain(render.OrNone(a.JobKey)), render.None, fmt.Sprintf("and %d more", more), render.None})
		}
	}
	if len(rows) == 0 {
		return nil
	}
	if _, err := fmt.Fprintln(s.Out); err != nil {
		return err
	}
	return s.Table([]string{"job", "suite", "failed test", "why"}, rows)
}
