package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
)

func (p *people) newPipeline() *cobra.Command {
	return newGroup("pipeline", "Pipelines: groups of jobs",
		"  hodei pipeline create demo\n  hodei pipeline ls",
		p.newPipelineCreate(), p.newPipelineList(), p.newPipelineShow(), p.newPipelineUpdate(), p.newPipelineRemove())
}

func (p *people) newPipelineCreate() *cobra.Command {
	var description string
	cmd := p.command(&cobra.Command{
		Use: "create NAME", Short: "Create a pipeline and print its id", Args: cobra.ExactArgs(1),
		Example: "  hodei pipeline create demo --description 'what we show to visitors'",
	}, func(ctx context.Context, s *session, args []string) error {
		req := schemas.CreatePipelineRequest{Name: args[0], Description: set(description)}
		return ask(ctx, s, schemas.CreatePipeline, req, func(p hodei.Pipeline) error { return s.id(p.ID) })
	})
	cmd.Flags().StringVar(&description, "description", "", "what it is for")
	return cmd
}

// id prints an identifier alone, for other commands to take.
func (s *session) id(id fmt.Stringer) error {
	_, err := fmt.Fprintln(s.out, id)
	return err
}

func (p *people) newPipelineList() *cobra.Command {
	var req schemas.ListPipelinesRequest
	cmd := p.listing(&cobra.Command{
		Use: "ls", Short: "List pipelines, newest first", Args: cobra.NoArgs,
		Example: "  hodei pipeline ls\n  hodei pipeline ls --watch\n  hodei pipeline ls -o json --limit 1000",
	}, func(ctx context.Context, s *session, _ []string) error {
		return list(ctx, s, schemas.ListPipelines, req,
			[]string{"id", "name", "status", "jobs", "last execution", "age"},
			func(p hodei.Pipeline) []string {
				return []string{p.ID.String(), clipped(p.Name, 40), status(s, p.Status), strconv.Itoa(p.JobCount), s.latest(p.LastExecution), s.age(p.CreatedAt)}
			})
	})
	addCreated(cmd.Flags(), &req.Created)
	addPage(cmd.Flags(), &req.Page)
	return cmd
}

// latest is how the latest execution stands.
func (s *session) latest(e *hodei.ExecutionSummary) string {
	if e == nil {
		return none
	}
	return status(s, e.Status)
}

func (p *people) newPipelineShow() *cobra.Command {
	return completeFirst(p.command(&cobra.Command{
		Use: "show ID|NAME", Short: "Show a pipeline", Args: cobra.ExactArgs(1),
		Example: "  hodei pipeline show demo",
	}, func(ctx context.Context, s *session, args []string) error {
		id, err := s.pipeline(ctx, args[0])
		if err != nil {
			return err
		}
		return ask(ctx, s, schemas.GetPipeline, schemas.GetPipelineRequest{ID: id}, s.showPipeline)
	}), p.pipelines())
}

func (s *session) showPipeline(p hodei.Pipeline) error {
	last := none
	if p.LastExecution != nil {
		last = p.LastExecution.ID.String() + " " + status(s, p.LastExecution.Status)
	}
	return s.record(
		field{"ID", p.ID.String()},
		field{"Name", plain(p.Name)},
		field{"Description", or(p.Description)},
		field{"Status", status(s, p.Status)},
		field{"Jobs", strconv.Itoa(p.JobCount)},
		field{"Last execution", last},
		field{"Created", s.moment(&p.CreatedAt)},
	)
}
