package progress

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/cli/render"
	"github.com/hodei-jobs/hodei/internal/cli/session"
	"github.com/hodei-jobs/hodei/schemas"
)

// keep is how many of the last lines of a job are shown when it failed.
const keep = 20

// Run is a run that a command follows to its end.
type Run struct {
	*session.Session
	ID hodei.RunID
	// Name is for people, as release#42.
	Name string
	// Quiet prints no logs, unless a job fails.
	Quiet bool
	// Silent prints nothing for a run that completes, except on a terminal: cron mails what is printed.
	Silent bool

	look time.Duration // between two looks at the queue, the constant when 0

	mu   sync.Mutex
	run  hodei.Run
	turn int
	last map[string][]hodei.LogLine // of each job, the end of its log

	out   *output
	shown map[string]hodei.RunJob
}

// Follow shows the run until it ends, and returns it as it ended.
func (r *Run) Follow(ctx context.Context) (hodei.Run, error) {
	r.last, r.shown = map[string][]hodei.LogLine{}, map[string]hodei.RunJob{}
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
	if err := r.read(ctx); err != nil {
		return r.run, err
	}
	r.look = cmp.Or(r.look, look)
	painting.Go(func() { r.watchQueue(beside) })
	req := schemas.FollowRunRequest{ID: hodei.RefTo(r.ID), Follow: true}
	if r.Quiet {
		some := schemas.Tail(keep)
		req.Tail = &some
	}
	_, err := r.FollowRun(ctx, req, func(f schemas.RunFrame) error {
		if f.Job != nil {
			return r.change(ctx, *f.Job)
		}
		return r.line(f.Line.Job, f.Line.LogLine)
	})
	if err == nil {
		err = r.read(ctx)
	}
	return r.run, err
}

// read reads the whole run.
func (r *Run) read(ctx context.Context) error {
	run, err := r.GetRun(ctx, schemas.GetRunRequest{ID: hodei.RefTo(r.ID)})
	if err != nil {
		return err
	}
	for _, job := range run.Jobs {
		r.out.know(job.Key)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.run = run
	return nil
}

// change stores a job that has changed, and prints what that means.
func (r *Run) change(ctx context.Context, job hodei.RunJob) error {
	if !r.set(job) { // the legs of a matrix took its place, or the run has only begun
		if err := r.read(ctx); err != nil {
			return err
		}
	}
	was := r.shown[job.Key]
	r.shown[job.Key] = job
	if r.Quiet && (job.Status != hodei.JobBlocked || job.Approval == nil) {
		return nil // the summary has what failed; only an approval needs the reader before
	}
	if job.Attempt > 1 && was.Attempt != job.Attempt {
		r.out.note(fmt.Sprintf("%s: attempt %d", job.Key, job.Attempt))
	}
	if text := r.news(job); was.Status != job.Status && text != "" {
		r.out.note(text)
	}
	return nil
}

// set replaces a job of the run. It fails for one that is new, and while the run waits, whose
// own state changes with its jobs.
func (r *Run) set(job hodei.RunJob) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.IndexFunc(r.run.Jobs, func(j hodei.RunJob) bool { return j.Key == job.Key })
	if i < 0 || r.run.Status == hodei.RunPending {
		return false
	}
	r.run.Jobs[i] = job
	return true
}

// line prints a line of a job.
func (r *Run) line(key string, l hodei.LogLine) error {
	last := append(r.last[key], l)
	r.last[key] = last[max(0, len(last)-keep):]
	if r.Quiet {
		return nil
	}
	return r.out.print(key, l)
}

// Print prints the logs of the jobs of a run, one job after the other, with the options of
// the request.
func (r *Run) Print(ctx context.Context, run hodei.Run, opts schemas.LogOptions) error {
	r.out = newOutput(r.Session, nil)
	for _, job := range run.Jobs {
		r.out.know(job.Key)
	}
	_, err := r.FollowRun(ctx, schemas.FollowRunRequest{ID: hodei.RefTo(r.ID), LogOptions: opts}, func(f schemas.RunFrame) error {
		switch {
		case f.Line != nil:
			return r.out.print(f.Line.Job, f.Line.LogLine)
		case f.Job.ReusedExecutionID != nil:
			r.out.note(fmt.Sprintf("%s has the result of an earlier run\n  %s", f.Job.Key, r.Hint("logs %s/%s", r.Name, f.Job.Key)))
		}
		return nil
	})
	return err
}

// news is a line about the new state of a job, "" for one that needs none.
func (r *Run) news(job hodei.RunJob) string {
	detail := Detail(job)
	switch {
	case job.Status == hodei.JobBlocked && job.Approval != nil:
		return fmt.Sprintf("%s waits for approval: %s\n  %s", job.Key, render.Plain(job.Approval.Message), r.Hint("approve %s/%s", r.Name, job.Key))
	case job.Status == hodei.JobRunning && job.Child != nil:
		return fmt.Sprintf("%s starts %s", job.Key, render.Plain(session.ChildName(job.Child)))
	case job.Status == hodei.JobWaiting || job.Status == hodei.JobPending || job.Status == hodei.JobRunning || job.ReusedExecutionID != nil:
		return ""
	case detail != "":
		return fmt.Sprintf("%s %s: %s", job.Key, job.Status, render.Plain(detail))
	}
	return fmt.Sprintf("%s %s", job.Key, job.Status)
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
	if r.Silent && run.Status == hodei.RunCompleted && !render.IsTerminal(r.Errs) {
		return
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
	switch {
	case job.Child != nil:
		r.Note("  %s", r.Hint("logs %s", session.ChildName(job.Child)))
	case job.LastExecution() != nil:
		r.Note("  %s", r.Hint("logs %s/%s", r.Name, job.Key))
	}
}
