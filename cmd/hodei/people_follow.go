package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
)

// following is one execution that a person waits for.
type following struct {
	*session
	id    hodei.ExecutionID
	why   string     // why it waits, as far as it is known
	until *time.Time // when it may be done, by what its job took before
	quiet bool       // print no log, unless it fails
	line  *liveLine  // nil where nobody would see it
	last  []hodei.LogLine
}

// keep is how many of the last lines are shown of an execution that failed,
// where the person has not seen them.
const keep = 20

// follow prints the log of the execution to its end. Until its first line it
// tells why the execution waits, and on a terminal all along how it stands.
func (f *following) follow(ctx context.Context) (schemas.LogEnd, error) {
	f.line = f.live()
	if f.line != nil && f.until != nil {
		f.line.until = *f.until
	}
	p := f.printer(false, f.line)
	defer p.end()
	begun, end := f.beside(ctx)
	defer end()
	return f.Follow(ctx, schemas.FollowLogsRequest{ID: f.id, Follow: true}, func(l hodei.LogLine) error {
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

// beside starts what goes on beside the log, and returns two functions: what to
// call at each line, so that nothing is said of waiting after it, and what ends
// it all and waits for that.
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
		both.Go(func() { f.line.run(ctx) })
		begun = sync.OnceFunc(func() { close(start) }) // there is still to be told where it runs
	}
	return begun, func() { cancel(); both.Wait() }
}

const (
	// firstLook is how long an execution may wait before anything is said.
	firstLook = 500 * time.Millisecond
	// nextLook is the time between two looks at the queue.
	nextLook = 3 * time.Second
)

// watchStart says why the execution waits, whenever that changes, until it
// waits no more; then, on a terminal, where it runs. Start is closed to have it
// look at once.
func (f *following) watchStart(ctx context.Context, start <-chan struct{}) {
	if f.why != "" {
		f.tell(f.why)
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
				f.line.tell(f.runsOn(ctx, *e))
			}
			return
		case now != "" && now != f.why:
			f.tell(now)
			f.why = now
		}
		look.Reset(nextLook)
	}
}

// tell says it on the line at the foot of the terminal, or on a line of its own.
func (f *following) tell(text string) {
	if f.line != nil {
		f.line.tell(text)
		return
	}
	f.say("%s", text)
}

// whyWaiting is what the queue says of the execution, "" when that is not known
// at the moment, and the execution itself when it is not in the queue.
func (f *following) whyWaiting(ctx context.Context) (why string, e *hodei.Execution) {
	queue, err := f.GetQueue(ctx, schemas.GetQueueRequest{Limit: 1000})
	if err != nil {
		return "", nil
	}
	for _, entry := range queue.Items {
		if entry.ExecutionID == f.id {
			return f.waits(entry.Reason, entry.Position), nil
		}
	}
	found, err := f.GetExecution(ctx, schemas.GetExecutionRequest{ID: f.id})
	if err != nil {
		return "", nil
	}
	return "", &found
}

func (s *session) waits(reason string, position int) string {
	return fmt.Sprintf("waiting: %s (position %d in the queue)", plain(reason), position)
}

// runsOn is where the execution runs, as the line at the foot says it.
func (s *session) runsOn(ctx context.Context, e hodei.Execution) string {
	if e.WorkerID == nil {
		return string(e.Status)
	}
	on := e.WorkerID.String()
	if w, err := s.GetWorker(ctx, schemas.GetWorkerRequest{ID: *e.WorkerID}); err == nil && w.Name != nil {
		on = clipped(*w.Name, 40)
	}
	return "running on " + on + ", Ctrl-C leaves it running"
}

// sayEnd says how an execution ended that did not complete, after the end of
// its log where the person has not seen that.
func (f *following) sayEnd(e hodei.Execution) {
	if unseen := f.quiet || terminal(f.errs) && !terminal(f.out); unseen && f.format != "json" && len(f.last) > 0 {
		f.say("the last %d of %d lines:", len(f.last), max(e.LogCount, f.last[len(f.last)-1].Sequence))
		f.sayLines()
	}
	text := string(e.Status)
	if why := detail(e); why != "" {
		text += " " + why
	}
	if e.DurationSeconds != nil {
		text += " after " + took(e.DurationSeconds)
	}
	f.say("%s%s\n  %s", f.mark(e.Status), text, f.command("logs %s", e.ID))
}

// sayLines prints the last lines of the log.
func (f *following) sayLines() {
	to := forTerminal(f.errs, nil)
	for _, l := range f.last {
		fmt.Fprintln(to, l.Line) // as say does
	}
	if h, ok := to.(*harmless); ok {
		h.reset()
	}
}

// mark is a sign before a status for a person at a terminal.
func (s *session) mark(status hodei.ExecutionStatus) string {
	switch {
	case !terminal(s.errs):
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
