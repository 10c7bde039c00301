package progress

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/cli/render"
	"github.com/hodei-jobs/hodei/internal/cli/session"
)

// entry is a line of the board: a job, or all legs of one with a matrix.
type entry struct {
	key  string
	legs []hodei.RunJob
}

// entries are the jobs of the run in the order of the definition.
func entries(run hodei.Run) (list []entry) {
	at := map[string]int{}
	for _, job := range run.Jobs {
		i, known := at[job.Job]
		if !known {
			i = len(list)
			at[job.Job] = i
			list = append(list, entry{key: job.Job})
		}
		list[i].legs = append(list[i].legs, job)
	}
	return list
}

// first orders the states by importance to the reader.
var first = []hodei.RunJobStatus{
	hodei.JobFailed, hodei.JobTimedOut, hodei.JobCancelled, hodei.JobRunning, hodei.JobBlocked,
	hodei.JobPending, hodei.JobWaiting, hodei.JobCompleted, hodei.JobSkipped,
}

// status returns the most important state of the legs.
func (e entry) status() hodei.RunJobStatus {
	for _, status := range first {
		if slices.ContainsFunc(e.legs, func(j hodei.RunJob) bool { return j.Status == status }) {
			return status
		}
	}
	return hodei.JobWaiting
}

// took is from the first start of a leg to the last end, or to now.
func (e entry) took(now time.Time) time.Duration {
	var from, to time.Time
	running := false
	for _, leg := range e.legs {
		if leg.StartedAt != nil && (from.IsZero() || leg.StartedAt.Before(from)) {
			from = *leg.StartedAt
		}
		if leg.CompletedAt != nil && leg.CompletedAt.After(to) {
			to = *leg.CompletedAt
		}
		running = running || leg.StartedAt != nil && leg.CompletedAt == nil
	}
	switch {
	case from.IsZero():
		return 0
	case running || to.IsZero():
		to = now
	}
	return max(0, to.Sub(from))
}

// detail is what stands beside the state: how many legs have ended, or why.
func (e entry) detail() string {
	if len(e.legs) == 1 {
		return Detail(e.legs[0])
	}
	ended := 0
	for _, leg := range e.legs {
		if leg.Status.Ended() {
			ended++
		}
	}
	return fmt.Sprintf("%d of %d legs", ended, len(e.legs))
}

// Detail is why a job of a run is in its state, "" where the state is enough.
func Detail(job hodei.RunJob) string {
	reason := job.Why()
	if job.Child != nil { // the run that it has started
		reason = strings.TrimPrefix(reason+", "+session.ChildName(job.Child), ", ")
	}
	switch {
	case job.Status == hodei.JobBlocked:
		return "waits for approval"
	case job.Warning && job.Child != nil && job.Status == hodei.JobCompleted: // as the run that it has started
		return reason + " with " + render.Count(job.Child.Warnings, "warning")
	case job.Warning:
		return strings.TrimPrefix(reason+", allowed to fail", ", ")
	case job.ReusedExecutionID != nil:
		return "taken from an earlier run"
	case job.Attempt > 1 && reason == "":
		return fmt.Sprintf("attempt %d", job.Attempt)
	}
	return reason
}

var signs = map[hodei.RunJobStatus]string{
	hodei.JobWaiting: "◦", hodei.JobBlocked: "‖", hodei.JobPending: "…", hodei.JobCompleted: "✓", hodei.JobFailed: "✗",
	hodei.JobCancelled: "⊘", hodei.JobTimedOut: "✗", hodei.JobSkipped: "-",
}

// Board is the run as lines for a terminal: at most so many, the first about the whole
// run. Turn counts the calls, for what turns. Colour is for terminals that take it.
func Board(run hodei.Run, name string, now time.Time, most, turn int, colour bool) []string {
	list := entries(run)
	width := 0
	for _, e := range list {
		width = max(width, len([]rune(e.key)))
	}
	width = min(width, 30)
	lines := []string{header(run, name, now)}
	shown := list
	if room := most - 2; len(list) > room && room > 0 {
		shown = slices.Clone(list)
		slices.SortStableFunc(shown, func(a, b entry) int {
			return slices.Index(first, a.status()) - slices.Index(first, b.status())
		})
		shown = shown[:room]
	}
	for _, e := range shown {
		lines = append(lines, e.line(width, now, turn, colour))
	}
	if more := len(list) - len(shown); more > 0 {
		lines = append(lines, fmt.Sprintf("  … %s more", render.Count(more, "job")))
	}
	return lines
}

func header(run hodei.Run, name string, now time.Time) string {
	ended := 0
	for _, job := range run.Jobs {
		if job.Status.Ended() {
			ended++
		}
	}
	from := run.CreatedAt
	if run.StartedAt != nil {
		from = *run.StartedAt
	}
	return fmt.Sprintf("%s %s · %d of %s · %s", name, run.Status, ended, render.Count(len(run.Jobs), "job"), now.Sub(from).Truncate(time.Second))
}

func (e entry) line(width int, now time.Time, turn int, colour bool) string {
	status := e.status()
	sign := signs[status]
	if status == hodei.JobRunning {
		sign = string(render.Spinner(turn))
	}
	if colour {
		sign = render.InStatusColour(string(status), sign)
	}
	text := fmt.Sprintf("%s %-*s", sign, width, render.Clip(e.key, width))
	if took := e.took(now); took > 0 {
		seconds := took.Seconds()
		if !status.Ended() {
			seconds = took.Truncate(time.Second).Seconds()
		}
		text += fmt.Sprintf("  %6s", render.Seconds(&seconds))
	} else {
		text += "        "
	}
	if detail := e.detail(); detail != "" {
		text += "  " + render.Plain(detail)
	}
	return strings.TrimRight(text, " ")
}
