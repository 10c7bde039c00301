package progress

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/cli/render"
	"github.com/hodei-jobs/hodei/internal/cli/session"
	"github.com/hodei-jobs/hodei/schemas"
)

const (
	// lookEvery is the longest time between two looks at the run.
	lookEvery = 2 * time.Second
	// mostLogs bounds the logs that are followed at a time.
	mostLogs = 64
	// keep is how many of the last lines of a job are shown when it failed.
	keep = 20
)

// Run is a run that a command follows to its end.
type Run struct {
	*session.Session
	ID hodei.RunID
	// Name is for people, as release#42.
	Name string
	// Quiet prints no logs, unless a job fails.
	Quiet bool

	mu   sync.Mutex
	run  hodei.Run
	turn int
	last map[string][]hodei.LogLine // of each job, the end of its log

	out   *output
	logs  *errgroup.Group
	seen  map[string]hodei.ExecutionID // the execution of each job whose log is followed
	shown map[string]hodei.RunJobStatus
}

// Follow shows the run until it ends, and returns it as it ended.
func (r *Run) Follow(ctx context.Context) (hodei.Run, error) {
	r.last, r.seen, r.shown = map[string][]hodei.LogLine{}, map[string]hodei.ExecutionID{}, map[string]hodei.RunJobStatus{}
	var foot *render.Foot
	if render.IsTerminal(r.Errs) && r.Format != "json" {
		foot = render.NewFoot(r.Errs, r.board)
	}
	r.out = newOutput(r.Session, foot)
	beside, stop := context.WithCancel(ctx)
	var painting sync.WaitGroup
	if foot != nil {
		painting.Go(func() { foot.Run(beside) })
	}
	defer painting.Wait()
	defer stop()
	changed := make(chan struct{}, 1)
	painting.Go(func() { r.watch(beside, changed) })
	var logging context.Context
	r.logs, logging = errgroup.WithContext(ctx)
	r.logs.SetLimit(mostLogs)
	err := r.untilEnded(ctx, logging, changed)
	if logged := r.logs.Wait(); err == nil {
		err = logged
	}
	return r.run, err
}

// watch wakes the loop at each event of the run. A lost one is found by the next look.
func (r *Run) watch(ctx context.Context, changed chan<- struct{}) {
	id := hodei.RefTo(r.ID)
	_, _ = r.FollowEvents(ctx, schemas.FollowEventsRequest{RunID: &id, Only: schemas.OnlyRuns, Follow: true}, func(schemas.FeedEvent) error {
		select {
		case changed <- struct{}{}:
		default:
		}
		return nil
	})
}

// untilEnded reads the run whenever it has changed, shows the changes, and follows the log
// of each execution.
func (r *Run) untilEnded(ctx, logging context.Context, changed <-chan struct{}) error {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		run, err := r.GetRun(ctx, schemas.GetRunRequest{ID: hodei.RefTo(r.ID)})
		if err != nil {
			return err
		}
		r.mu.Lock()
		r.run = run
		r.mu.Unlock()
		start := r.logs.TryGo // beyond the bound the logs wait for the next look
		if run.Status.Ended() {
			start = func(log func() error) bool { r.logs.Go(log); return true }
		}
		for _, job := range run.Jobs {
			r.show(logging, job, start)
		}
		if run.Status.Ended() {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-logging.Done(): // an output that cannot be written
			return nil
		case <-look.C:
		case <-changed:
		}
	}
}

// show prints the change of a job's state, where there is no board, and follows the log
// of its execution.
func (r *Run) show(ctx context.Context, job hodei.RunJob, start func(func() error) bool) {
	r.out.know(job.Key)
	if r.shown[job.Key] != job.Status {
		r.shown[job.Key] = job.Status
		if text := r.change(job); text != "" {
			r.out.note(text)
		}
	}
	id := job.ExecutionID
	if id == nil || r.seen[job.Key] == *id {
		return
	}
	_, again := r.seen[job.Key]
	if !start(func() error { return r.log(ctx, job.Key, *id) }) {
		return
	}
	r.seen[job.Key] = *id
	if again {
		r.out.note(fmt.Sprintf("%s: attempt %d", job.Key, job.Attempt))
	}
}

// change is a line about the new state of a job, "" for one that needs none.
func (r *Run) change(job hodei.RunJob) string {
	detail := Detail(job)
	switch {
	case job.Status == hodei.JobBlocked && job.Approval != nil:
		return fmt.Sprintf("%s waits for approval: %s\n  %s", job.Key, render.Plain(job.Approval.Message), r.Hint("approve %s/%s", r.Name, job.Key))
	case job.Status == hodei.JobWaiting || job.Status == hodei.JobPending || job.Status == hodei.JobRunning || job.ReusedExecutionID != nil:
		return ""
	case detail != "":
		return fmt.Sprintf("%s %s: %s", job.Key, job.Status, render.Plain(detail))
	}
	return fmt.Sprintf("%s %s", job.Key, job.Status)
}

func (r *Run) log(ctx context.Context, key string, id hodei.ExecutionID) error {
	_, err := r.Session.Follow(ctx, schemas.FollowLogsRequest{ID: hodei.RefTo(id), Follow: true}, func(l hodei.LogLine) error {
		r.mu.Lock()
		last := append(r.last[key], l)
		r.last[key] = last[max(0, len(last)-keep):]
		r.mu.Unlock()
		if r.Quiet {
			return nil
		}
		return r.out.print(key, l)
	})
	return err
}

// Print prints the logs of the jobs of a run, one job after the other, with the options of
// the request.
func (r *Run) Print(ctx context.Context, run hodei.Run, req schemas.FollowLogsRequest) error {
	r.out = newOutput(r.Session, nil)
	for _, job := range run.Jobs {
		r.out.know(job.Key)
	}
	for _, job := range run.Jobs {
		id := job.LastExecution()
		if id == nil {
			continue
		}
		req.ID = hodei.RefTo(*id)
		if _, err := r.Session.Follow(ctx, req, func(l hodei.LogLine) error { return r.out.print(job.Key, l) }); err != nil {
			return err
		}
	}
	return nil
}

// board is what stands at the foot of the terminal.
func (r *Run) board() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.run.Jobs == nil {
		return nil
	}
	r.turn++
	return Board(r.run, r.Name, r.Now(), render.Height(r.Errs)/2, r.turn, render.InColor(r.Errs))
}

// failures bounds the jobs of which the summary shows the end of the log.
const failures = 5

// Summary prints how the run ended: of each job that failed the last lines and the command
// that shows more.
func (r *Run) Summary(run hodei.Run) {
	failed := slices.DeleteFunc(slices.Clone(run.Jobs), func(j hodei.RunJob) bool {
		return j.Status != hodei.JobFailed && j.Status != hodei.JobTimedOut || j.Warning
	})
	for i, job := range failed {
		if i == failures {
			r.Note("… and %s more", render.Count(len(failed)-failures, "job"))
			break
		}
		r.failure(job)
	}
	text := fmt.Sprintf("%s %s", r.Name, run.Status)
	if run.Warnings > 0 {
		text += " with " + render.Count(run.Warnings, "warning")
	}
	if run.DurationSeconds != nil {
		text += " after " + render.Seconds(run.DurationSeconds)
	}
	r.Note("%s", text)
	if run.Status != hodei.RunCompleted {
		r.Note("  %s\n  %s", r.Hint("run show %s", r.Name), r.Hint("rerun %s", r.Name))
	}
}

func (r *Run) failure(job hodei.RunJob) {
	why := Detail(job)
	if why != "" {
		why = ": " + why
	}
	r.Note("✗ %s %s%s", job.Key, job.Status, why)
	if r.Format == "json" {
		return
	}
	to := render.ForTerminal(r.Errs, nil)
	for _, l := range r.last[job.Key] {
		fmt.Fprintln(to, "  "+l.Line) // like Note, it ignores the error
	}
	if h, ok := to.(*render.Filter); ok {
		h.Reset()
	}
	r.Note("  %s", r.Hint("logs %s/%s", r.Name, job.Key))
}
