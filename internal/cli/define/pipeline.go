package define

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
	"github.com/hodei-jobs/hodei/internal/cli/render"
	"github.com/hodei-jobs/hodei/internal/cli/session"
	"github.com/hodei-jobs/hodei/internal/definition"
	"github.com/hodei-jobs/hodei/schemas"
)

// NewPipeline returns `hodei pipeline` with further commands.
func NewPipeline(p *session.Flags, more ...*cobra.Command) *cobra.Command {
	return cmdline.Noun("pipeline", "Pipelines: groups of jobs",
		"  hodei pipeline create demo\n  hodei pipeline ls",
		append(more, newPipelineCreate(p), newPipelineList(p), newPipelineShow(p), newPipelineUpdate(p), newPipelineRemove(p))...)
}

func newPipelineCreate(p *session.Flags) *cobra.Command {
	var description, slug string
	cmd := p.Command(&cobra.Command{
		Use: "create NAME", Short: "Create a pipeline and print its id", Args: cobra.ExactArgs(1),
		Example: "  hodei pipeline create demo --slug demo --description 'what we show to visitors'",
	}, func(ctx context.Context, s *session.Session, args []string) error {
		req := schemas.CreatePipelineRequest{Name: args[0], Description: cmdline.Given(description), Slug: cmdline.Given(slug)}
		taken := isTaken(ctx, s, args[0])
		return session.Ask(ctx, s, schemas.CreatePipeline, req, func(p hodei.Pipeline) error {
			if taken && slug == "" {
				s.Note("there is another pipeline %q, so commands need the id of this one", args[0])
			}
			return s.PrintID(p.ID)
		})
	})
	cmd.Flags().StringVar(&description, "description", "", "description")
	cmd.Flags().StringVar(&slug, "slug", "", "unique short name (a-z, 0-9, -), accepted wherever the id is")
	return cmd
}

// isTaken reports whether a pipeline has the text as its name or slug.
func isTaken(ctx context.Context, s *session.Session, text string) bool {
	for p, err := range s.AllPipelines(ctx, schemas.ListPipelinesRequest{}) {
		if err != nil {
			return false // the request that creates the pipeline reports what is wrong
		}
		if p.Name == text || session.NameOf(p.Slug) == text {
			return true
		}
	}
	return false
}

func newPipelineList(p *session.Flags) *cobra.Command {
	var req schemas.ListPipelinesRequest
	cmd := p.Listing(&cobra.Command{
		Use: "ls", Short: "List pipelines, newest first", Args: cobra.NoArgs,
		Example: "  hodei pipeline ls\n  hodei pipeline ls --watch\n  hodei pipeline ls -o json --limit 1000",
	}, func(ctx context.Context, s *session.Session, _ []string) error {
		return session.List(ctx, s, schemas.ListPipelines, req,
			[]string{"id", "name", "slug", "status", "jobs", "last execution", "age"},
			func(p hodei.Pipeline) []string {
				return []string{p.ID.String(), render.Clip(p.Name, 40), render.OrNone(p.Slug), session.Status(s, p.Status), strconv.Itoa(p.JobCount), latest(s, p.LastExecution), s.Age(p.CreatedAt)}
			})
	})
	session.AddCreated(cmd.Flags(), &req.Created)
	session.AddPage(cmd.Flags(), &req.Page)
	return cmd
}

// latest is how the latest execution stands.
func latest(s *session.Session, e *hodei.ExecutionSummary) string {
	if e == nil {
		return render.None
	}
	return session.Status(s, e.Status)
}

func newPipelineShow(p *session.Flags) *cobra.Command {
	return session.CompleteFirst(p.Command(&cobra.Command{
		Use: "show ID|NAME", Short: "Show a pipeline; with -o yaml its definition, as apply takes it", Args: cobra.ExactArgs(1),
		Example: "  hodei pipeline show demo\n  hodei pipeline show release -o yaml > hodei.yaml",
	}, func(ctx context.Context, s *session.Session, args []string) error {
		id, err := s.PipelineRef(ctx, args[0])
		if err != nil {
			return err
		}
		if s.Format == "yaml" {
			return showDefinition(ctx, s, id)
		}
		return session.Ask(ctx, s, schemas.GetPipeline, schemas.GetPipelineRequest{ID: id}, func(p hodei.Pipeline) error { return showPipeline(s, p) })
	}), p.Pipelines())
}

// showDefinition prints the definition as a file.
func showDefinition(ctx context.Context, s *session.Session, id hodei.PipelineRef) error {
	document, err := s.GetDefinition(ctx, schemas.GetDefinitionRequest{ID: id})
	if err != nil {
		return err
	}
	text, err := definition.FromJSON(document)
	if err != nil {
		return err
	}
	_, err = render.ForTerminal(s.Out, nil).Write(text)
	return err
}

func showPipeline(s *session.Session, p hodei.Pipeline) error {
	last := render.None
	if p.LastExecution != nil {
		last = p.LastExecution.ID.String() + " " + session.Status(s, p.LastExecution.Status)
	}
	return s.Record(
		render.Field{"ID", p.ID.String()},
		render.Field{"Name", render.Plain(p.Name)},
		render.Field{"Slug", render.OrNone(p.Slug)},
		render.Field{"Description", render.OrNone(p.Description)},
		render.Field{"Status", session.Status(s, p.Status)},
		render.Field{"Jobs", strconv.Itoa(p.JobCount)},
		render.Field{"Last execution", last},
		render.Field{"Created", s.Moment(&p.CreatedAt)},
	)
}
