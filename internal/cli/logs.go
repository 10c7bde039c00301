package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
	"github.com/hodei-jobs/hodei/internal/cli/progress"
	"github.com/hodei-jobs/hodei/internal/cli/render"
	"github.com/hodei-jobs/hodei/internal/cli/session"
	"github.com/hodei-jobs/hodei/schemas"
)

func newLogs(p *session.Flags) *cobra.Command {
	var req schemas.FollowLogsRequest
	var last string
	var stamps bool
	cmd := p.Command(&cobra.Command{
		Use: "logs ID|JOB|RUN[/JOB]", Short: "Print the log of an execution, of the latest one of a job, or of a run", Annotations: session.LineOutput,
		Long: `Print the log of an execution, or of the latest execution of a job: its standard output to standard output, its
standard error to standard error. With -o json every line is an object, all on
standard output.

On a terminal, control sequences that would steer it (clipboard, title, cursor)
are dropped; colours pass. A file or a pipe gets the output unchanged.`,
		Example: `  hodei logs build
  hodei logs release#42/test     a job of a run
  hodei logs release#42          all jobs of a run, each line behind the key of its job
  hodei logs -f exec_0198c5f2-7b1e-7cc3-9d1e-3f6a2b4c5d6e
  hodei logs -t -n 20 --stream stderr exec_0198c5f2-7b1e-7cc3-9d1e-3f6a2b4c5d6e
  hodei logs --since 10m exec_0198c5f2-7b1e-7cc3-9d1e-3f6a2b4c5d6e`,
		Args: cobra.ExactArgs(1),
	}, func(ctx context.Context, s *session.Session, args []string) (err error) {
		if req.Tail, err = tail(last); err != nil {
			return err
		}
		if err := valid(req.LogOptions); err != nil {
			return err
		}
		if session.IsRun(args[0]) {
			run, execution, err := runOrExecution(ctx, s, args[0])
			switch {
			case err != nil:
				return err
			case run != nil:
				return runLogs(ctx, s, *run, req)
			}
			req.ID = execution
		} else if req.ID, err = logOf(ctx, s, args[0]); err != nil {
			return err
		}
		p := newPrinter(s, stamps, nil)
		defer p.end()
		_, err = s.Follow(ctx, req, p.print)
		return err
	})
	flags := cmd.Flags()
	flags.BoolVarP(&req.Follow, "follow", "f", false, "follow until the execution ends")
	flags.StringVarP(&last, "tail", "n", "all", "only this many last lines")
	flags.BoolVarP(&stamps, "timestamps", "t", false, "start each line with its time")
	flags.StringVar(&req.Since, "since", "", "only lines after this time (RFC 3339), or not older than 10m, 2h or 7d")
	flags.StringVar(&req.Until, "until", "", "only lines before this time (RFC 3339), or older than 10m, 2h or 7d")
	flags.StringVar(&req.Stream, "stream", "all", "stdout, stderr or all")
	session.Complete(cmd, "stream", session.Words(string(hodei.Stdout), string(hodei.Stderr), "all"))
	return session.CompleteFirst(cmd, func(cmd *cobra.Command, begun string) ([]string, error) {
		jobs, err := p.Jobs()(cmd, begun)
		if err != nil {
			return nil, err
		}
		executions, err := p.Executions()(cmd, begun)
		return append(jobs, executions...), err
	})
}

// runLogs prints the logs of all jobs of a run, one after the other, or as they come with
// --follow.
func runLogs(ctx context.Context, s *session.Session, run hodei.Run, req schemas.FollowLogsRequest) error {
	f := &progress.Run{Session: s, ID: run.ID, Name: session.RunName(run)}
	if req.Follow {
		_, err := f.Follow(ctx)
		return err
	}
	return f.Print(ctx, run, req.LogOptions)
}

// logOf is the execution whose log is meant: itself, or the latest one of a
// job.
func logOf(ctx context.Context, s *session.Session, text string) (hodei.ExecutionRef, error) {
	if _, isID := hodei.ExecutionRef(text).ID(); isID || strings.HasPrefix(text, hodei.ExecutionID{}.Prefix()+"_") {
		return s.Execution(ctx, text)
	}
	named, err := s.Job(ctx, text)
	switch {
	case errors.Is(err, hodei.NotFound):
		id, err := s.Execution(ctx, text)
		if errors.Is(err, hodei.NotFound) {
			err = fmt.Errorf("no job %q found, and %w", text, err)
		}
		return id, err
	case err != nil:
		return "", err
	}
	j, err := s.GetJob(ctx, schemas.GetJobRequest{ID: named})
	switch {
	case err != nil:
		return "", err
	case j.Execution == nil:
		return "", hodei.Errorf(hodei.NotFound, "job %q has no runs; %s", text, s.Hint("run %s", text))
	}
	return hodei.RefTo(j.Execution.ID), nil
}

func tail(text string) (*schemas.Tail, error) {
	if text == "all" {
		return nil, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return nil, cmdline.Usagef("--tail: a number of lines or all required")
	}
	last := schemas.Tail(n)
	return &last, nil
}

// valid refuses options that the service would refuse, as mistakes of usage.
func valid(o schemas.LogOptions) error {
	if o.Stream != "all" && o.Stream != string(hodei.Stdout) && o.Stream != string(hodei.Stderr) {
		return cmdline.Usagef("--stream: stdout, stderr or all required, not %q", o.Stream)
	}
	var wrong *hodei.Error
	if _, err := o.Filter(time.Now()); errors.As(err, &wrong) && wrong.Details != nil {
		return cmdline.Usagef("--%s: %s", wrong.Details.Field, wrong.Details.Issue)
	}
	return nil
}

// printer prints the lines of one log, each stream to its own.
type printer struct {
	to     map[hodei.Stream]io.Writer
	json   bool
	stamps bool
	// cut are the streams whose last line was a piece, so that the next piece
	// goes on where it stopped.
	cut map[hodei.Stream]bool
}

// newPrinter prints above the line at the foot of the terminal, nil for none.
func newPrinter(s *session.Session, stamps bool, line *render.LiveLine) *printer {
	p := &printer{
		to:   map[hodei.Stream]io.Writer{hodei.Stdout: render.ForTerminal(s.Out, line.Foot()), hodei.Stderr: render.ForTerminal(s.Errs, line.Foot())},
		json: s.Format == "json", stamps: stamps, cut: map[hodei.Stream]bool{},
	}
	if p.json {
		p.to[hodei.Stderr] = p.to[hodei.Stdout]
	}
	return p
}

// end leaves the terminal without the colours of the log.
func (p *printer) end() {
	for _, to := range p.to {
		if h, ok := to.(*render.Filter); ok {
			h.Reset()
		}
	}
}

func (p *printer) print(l hodei.LogLine) error {
	to := p.to[l.Stream]
	if p.json {
		enc := json.NewEncoder(to)
		enc.SetEscapeHTML(false)
		return enc.Encode(l)
	}
	text := l.Line
	if p.stamps && !p.cut[l.Stream] {
		if _, ok := to.(*render.Filter); ok { // or what follows a carriage return would overwrite the time
			text = text[strings.LastIndexByte(strings.TrimRight(text, "\r"), '\r')+1:]
		}
		text = l.Timestamp.UTC().Format("2006-01-02T15:04:05.000Z ") + text
	}
	if !l.Partial {
		text += "\n"
	}
	p.cut[l.Stream] = l.Partial
	_, err := io.WriteString(to, text)
	return err
}
