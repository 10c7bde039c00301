package events

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
	"github.com/hodei-jobs/hodei/internal/cli/render"
	"github.com/hodei-jobs/hodei/internal/cli/session"
	"github.com/hodei-jobs/hodei/schemas"
)

func NewEvents(p *session.Flags) *cobra.Command {
	var only string
	var which struct{ job, pipeline, execution, worker string }
	cmd := p.Command(&cobra.Command{
		Use: "events", Short: "Print events of runs, executions and workers", Args: cobra.NoArgs, Annotations: session.LineOutput,
		Long: `Print events of executions and workers, until Ctrl-C: a line
for each event of a run or an execution and for each worker that changes its state. With
-o json every event and every state of a worker is an object.

Over NATS, unless --only or a filter is given, it also prints the advisories of
JetStream about the streams: a new leader, a lost quorum, a full disk.`,
		Example: "  hodei events\n  hodei events --pipeline demo\n  hodei events --only workers -o json\n  hodei events --nats nats://127.0.0.1:4222 --only advisories",
	}, func(ctx context.Context, s *session.Session, _ []string) error {
		switch only {
		case "", schemas.OnlyExecutions, schemas.OnlyRuns, schemas.OnlyWorkers:
		case onlyAdvisories:
			if s.NATS == nil {
				return cmdline.Usagef("--only advisories needs --nats: HTTP does not carry the advisories of JetStream")
			}
		default:
			return cmdline.Usagef("--only takes executions, runs, workers or advisories")
		}
		req := schemas.FollowEventsRequest{Only: only, Follow: true}
		if err := errors.Join(
			resolved(ctx, which.job, s.Job, &req.JobID), resolved(ctx, which.pipeline, s.PipelineRef, &req.PipelineID),
			resolved(ctx, which.execution, s.Execution, &req.ExecutionID), resolved(ctx, which.worker, s.Worker, &req.WorkerID),
		); err != nil {
			return err
		}
		e := eventPrinter{Session: s, states: map[hodei.WorkerID]hodei.WorkerStatus{}}
		streams, ctx := errgroup.WithContext(ctx)
		if only != onlyAdvisories {
			streams.Go(func() error {
				_, err := s.FollowEvents(ctx, req, e.print)
				return err
			})
		}
		filtered := which.job != "" || which.pipeline != "" || which.execution != "" || which.worker != ""
		if s.NATS != nil && !filtered && (only == "" || only == onlyAdvisories) {
			streams.Go(func() error { return e.advisories(ctx) })
		}
		return streams.Wait()
	})
	flags := cmd.Flags()
	flags.StringVar(&which.job, "job", "", "only the executions of this job")
	flags.StringVar(&which.pipeline, "pipeline", "", "only the executions of this pipeline's jobs")
	flags.StringVar(&which.execution, "execution", "", "only this execution")
	flags.StringVar(&which.worker, "worker", "", "only this worker, and the executions given to it")
	flags.StringVar(&only, "only", "", "executions, runs, workers or, over NATS, advisories; all when left out")
	session.Complete(cmd, "only", session.Words(schemas.OnlyExecutions, schemas.OnlyRuns, schemas.OnlyWorkers, onlyAdvisories))
	session.Complete(cmd, "job", p.Jobs())
	session.Complete(cmd, "pipeline", p.Pipelines())
	return cmd
}

// resolved sets to where a name or an id was given.
func resolved[T any](ctx context.Context, text string, find func(context.Context, string) (T, error), to **T) error {
	if text == "" {
		return nil
	}
	id, err := find(ctx, text)
	if err == nil {
		*to = &id
	}
	return err
}

// eventPrinter prints events, changes of workers, and advisories.
type eventPrinter struct {
	*session.Session
	states map[hodei.WorkerID]hodei.WorkerStatus
	mu     sync.Mutex // of the output
}

func (p *eventPrinter) print(n schemas.FeedEvent) error {
	switch {
	case p.Format == "json":
		return p.object(n)
	case n.Execution != nil:
		return p.line(n.Execution.Time, n.Execution.Execution.ID.String(), summary(*n.Execution))
	case n.Run != nil:
		return p.line(n.Run.Time, n.Run.Run.ID.String(), runSummary(*n.Run))
	case n.Worker != nil:
		return p.worker(*n.Worker)
	default:
		p.Note("events were lost: %s", n.Resync.Reason)
		return nil
	}
}

func (p *eventPrinter) object(n schemas.FeedEvent) error {
	var what any = n.Execution
	if n.Worker != nil {
		what = n.Worker
	} else if n.Run != nil {
		what = n.Run
	} else if n.Resync != nil {
		what = n.Resync
	}
	body, err := hodei.JSON(what)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	_, err = fmt.Fprintf(render.ForTerminal(p.Out, nil), "%s\n", body)
	return err
}

// worker prints a worker's state when it differs from the one printed before.
func (p *eventPrinter) worker(w schemas.WorkerState) error {
	status, text := hodei.WorkerOffline, "lost contact"
	if w.Availability != nil {
		status = w.Availability.Status
		text = fmt.Sprintf("%s, %d of %d slots free", strings.ToLower(string(status)), w.Availability.Free, w.Availability.Slots)
	}
	if p.states[w.WorkerID] == status {
		return nil
	}
	p.states[w.WorkerID] = status
	at := p.Now()
	if w.Availability != nil {
		at = w.Availability.At
	}
	return p.line(at, w.WorkerID.String(), text)
}

func (p *eventPrinter) line(at time.Time, id, text string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, err := fmt.Fprintf(p.Out, "%s  %s  %s\n", at.UTC().Format(time.RFC3339), id, render.Plain(text))
	return err
}

// runSummary describes a change of a run in words.
func runSummary(e schemas.RunEvent) string {
	if e.Job == nil {
		return strings.ReplaceAll(e.Type[strings.LastIndex(e.Type, ".")+1:], "_", " ")
	}
	what := e.Job.Key + " " + strings.ToLower(strings.ReplaceAll(string(e.Job.Status), "_", " "))
	if e.Job.Reason != nil {
		what += ": " + strings.ToLower(strings.ReplaceAll(string(*e.Job.Reason), "_", " "))
	}
	return what
}

// summary is one line about an event, for users.
func summary(e schemas.Event) string {
	what := strings.ReplaceAll(e.Type[strings.LastIndex(e.Type, ".")+1:], "_", " ")
	if e.Execution.WorkerID != nil && (e.Type == schemas.EventAssigned || e.Type == schemas.EventStarted) {
		what += " on " + e.Execution.WorkerID.String()
	}
	if e.Execution.Reason != nil && e.Type != schemas.EventCompleted {
		what += ": " + strings.ToLower(strings.ReplaceAll(string(*e.Execution.Reason), "_", " "))
		if e.Execution.ExitCode != nil && *e.Execution.Reason == hodei.ReasonExitCode {
			what += fmt.Sprintf(" %d", *e.Execution.ExitCode)
		}
	}
	return what
}
