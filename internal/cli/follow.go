package cli

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/cli/render"
	"github.com/hodei-jobs/hodei/internal/cli/session"
	"github.com/hodei-jobs/hodei/schemas"
)

// following is one execution whose end a command waits for.
type following struct {
	*session.Session
	id    hodei.ExecutionID
	why   string           // why it waits, "" when that is not known
	until *time.Time       // expected end, from earlier executions of its job
	quiet bool             // print no log, unless it fails
	line  *render.LiveLine // nil without a terminal
	last  []hodei.LogLine
}

// keep is how many of the last lines are shown of an execution that failed, if its log was
// not printed.
const keep = 20

// follow prints the log of the execution to its end. Until the first line it shows why the
// execution waits; on a terminal it shows the state until the end.
func (f *following) follow(ctx context.Context) (schemas.LogEnd, error) {
	f.line = f.LiveLine()
	if f.line != nil && f.until != nil {
		f.line.Until = *f.until
	}
	p := newPrinter(f.Session, false, f.line)
	defer p.end()
	begun, end := f.beside(ctx)
	defer end()
	return f.Follow(ctx, schemas.FollowLogsRequest{ID: hodei.RefTo(f.id), Follow: true}, func(l hodei.LogLine) error {
		begun()
		if f.last = append(f.last, l); len(f.last) > keep {
			f.last = f.last[1:]
		}
		if f.quiet {
			return nil
		}
		return p.print(l)
	})
}

// beside starts the goroutines beside the log and returns two functions: begun is called at
// each line and stops the messages about waiting; end stops the goroutines and waits for
// them.
func (f *following) beside(ctx context.Context) (begun, end func()) {
	ctx, cancel := context.WithCancel(ctx)
	start, waited := make(chan struct{}), make(chan struct{})
	var both sync.WaitGroup
	both.Go(func() {
		defer close(waited)
		f.watchStart(ctx, start)
	})
	begun = sync.OnceFunc(func() {
		cancel()
		<-waited
	})
	if f.line != nil {
		both.Go(func() { f.line.Run(ctx) })
		begun = sync.OnceFunc(func() { close(start) }) // watchStart shows where it runs
	}
	return begun, func() { cancel(); both.Wait() }
}

const (
	// firstLook is how long an execution may wait before the first message.
	firstLook = 500 * time.Millisecond
	// nextLook is the time between two looks at the queue.
	nextLook = 3 * time.Second
)

// watchStart shows why the execution waits, whenever that changes, until it runs; then, on a
// terminal, where it runs. Closing start makes it look at once.
func (f *following) watchStart(ctx context.Context, start <-chan struct{}) {
	if f.why != "" {
		f.show(f.why)
	}
	look := time.NewTimer(firstLook)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-start:
			start = nil
		case <-look.C:
		}
		now, e := f.whyWaiting(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case e != nil && e.Status != hodei.Pending:
			if f.line != nil {
				f.line.Set(runsOn(ctx, f.Session, *e))
			}
			return
		case now != "" && now != f.why:
			f.show(now)
			f.why = now
		}
		look.Reset(nextLook)
	}
}

// show prints the text on the last line of the terminal, or on a line of its own.
func (f *following) show(text string) {
	if f.line != nil {
		f.line.Set(text)
		return
	}
	f.Note("%s", text)
}

// whyWaiting is the reason from the queue, "" when it is not known at the moment, and the
// execution itself when it is not in the queue.
func (f *following) whyWaiting(ctx context.Context) (why string, e *hodei.Execution) {
	queue, err := f.GetQueue(ctx, schemas.GetQueueRequest{Limit: 1000})
	if err != nil {
		return "", nil
	}
	for _, entry := range queue.Items {
		if entry.ExecutionID == f.id {
			return waits(f.Session, entry.Reason, entry.Position), nil
		}
	}
	found, err := f.GetExecution(ctx, schemas.GetExecutionRequest{ID: hodei.RefTo(f.id)})
	if err != nil {
		return "", nil
	}
	return "", &found
}

func waits(s *session.Session, reason string, position int) string {
	return fmt.Sprintf("waiting: %s (position %d in the queue)", render.Plain(reason), position)
}

// runsOn is where the execution runs, for the last line of the terminal.
func runsOn(ctx context.Context, s *session.Session, e hodei.Execution) string {
	if e.WorkerID == nil {
		return string(e.Status)
	}
	on := e.WorkerID.String()
	if w, err := s.GetWorker(ctx, schemas.GetWorkerRequest{ID: *e.WorkerID}); err == nil && w.Name != nil {
		on = render.Clip(*w.Name, 40)
	}
	return "running on " + on + ", Ctrl-C leaves it running"
}

// printEnd prints how an execution ended that did not complete, after the end of its log if
// that was not printed.
func (f *following) printEnd(e hodei.Execution) {
	if unseen := f.quiet || render.IsTerminal(f.Errs) && !render.IsTerminal(f.Out); unseen && f.Format != "json" && len(f.last) > 0 {
		f.Note("last %d of %d lines:", len(f.last), max(e.LogCount, f.last[len(f.last)-1].Sequence))
		f.printLines()
	}
	text := string(e.Status)
	if why := detail(e); why != "" {
		text += " " + why
	}
	if e.DurationSeconds != nil {
		text += " after " + render.Seconds(e.DurationSeconds)
	}
	f.Note("%s%s\n  %s", mark(f.Session, e.Status), text, f.Hint("logs %s", e.ID))
}

// printLines prints the last lines of the log.
func (f *following) printLines() {
	to := render.ForTerminal(f.Errs, nil)
	for _, l := range f.last {
		fmt.Fprintln(to, l.Line) // like Note, it ignores the error
	}
	if h, ok := to.(*render.Filter); ok {
		h.Reset()
	}
}

// mark is a sign before a status on a terminal.
func mark(s *session.Session, status hodei.ExecutionStatus) string {
	switch {
	case !render.IsTerminal(s.Errs):
		return ""
	case status == hodei.Completed:
		return "✓ "
	}
	return "✗ "
}

// statusOf is the exit status for an execution that did not complete: never 0.
func statusOf(e hodei.Execution) int {
	switch {
	case e.ExitCode != nil && *e.ExitCode != 0:
		return *e.ExitCode
	case e.Signal != nil && unix.SignalNum(*e.Signal) != 0:
		return 128 + int(unix.SignalNum(*e.Signal))
	}
	return 1
}
