package run

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hodei-jobs/hodei"
)

// explain returns the details of a job's reason for users: which need, which condition, whose
// answer; nil if the reason needs none. explainExit is for reasons of executions.
func (a *advance) explain(j *hodei.RunJob) *string {
	if j.Reason == nil {
		return nil
	}
	text := ""
	switch *j.Reason {
	case hodei.ReasonNeeds:
		text = a.explainNeeds(j)
	case hodei.ReasonCondition:
		text = a.explainCondition(j)
	case hodei.ReasonNoCommand:
		text = "it has no command"
	case hodei.ReasonRejected:
		text = explainAnswer(j)
	case hodei.ReasonApprovalTimeout:
		text = "no answer to its approval in time"
		if gate := j.Spec.Approval; gate != nil && gate.TimeoutSeconds != nil {
			text = fmt.Sprintf("no answer to its approval within %s", seconds(*gate.TimeoutSeconds).Round(time.Millisecond))
		}
	case hodei.ReasonMatrix:
		text = a.explainMatrix(j)
	case hodei.ReasonFailFast:
		text = "another job failed, and fail_fast is set"
	case hodei.ReasonRunTimeout:
		text = "the run took longer than its timeout"
	case hodei.ReasonSuperseded:
		text = "a later run with the same concurrency key took the place of this one"
	case hodei.ReasonCancelled:
		if a.r.Plan.Stopping != nil {
			text = "the run was cancelled"
		}
	}
	if text == "" {
		return nil
	}
	return &text
}

// explainExit returns the exit code of an execution as text; nil if it ended otherwise.
func explainExit(e hodei.Execution) *string {
	if e.Reason == nil || *e.Reason != hodei.ReasonExitCode || e.ExitCode == nil {
		return nil
	}
	return new(fmt.Sprintf("exit code %d", *e.ExitCode))
}

// explainNeeds names the needs that did not succeed, or for a finally job those of the run.
func (a *advance) explainNeeds(j *hodei.RunJob) string {
	var bad []string
	for i := range a.r.Jobs {
		one := &a.r.Jobs[i]
		if one.Finally == j.Finally && slices.Contains(j.Needs, one.Job) && !one.Succeeded() || j.Finally && !one.Finally && failsRun(*one) {
			bad = append(bad, fmt.Sprintf("%s is %s", one.Key, one.Status))
		}
	}
	what := "it needs other jobs, and "
	if j.Finally {
		what = "it runs after a success, and "
	}
	return what + few(bad, "the run did not succeed")
}

// explainCondition names the values that the condition does not accept, one for each of its
// alternatives.
func (a *advance) explainCondition(j *hodei.RunJob) string {
	_, failed := a.before(j)
	switch {
	case j.Spec.Condition() == hodei.WhenFailure && !failed:
		return "it runs after a failure, and there was none"
	case j.Plan.Condition == nil || *j.Plan.Condition:
		return "its matrix has no legs"
	}
	values := a.values(j)
	var wrong []string
	for _, all := range j.Spec.If {
		for _, name := range slices.Sorted(maps.Keys(all)) {
			if holdsAll(hodei.Condition{name: all[name]}, values) {
				continue
			}
			value, _ := values(name)
			if name == changes {
				wrong = append(wrong, fmt.Sprintf("no changed path matches %s", globs(all[name])))
			} else {
				wrong = append(wrong, fmt.Sprintf("%s is %q, not %s", name, clip(value), globs(all[name])))
			}
			break
		}
	}
	return "its condition does not hold: " + few(wrong, "a value differs")
}

func explainAnswer(j *hodei.RunJob) string {
	text := "its approval was rejected"
	if j.Approval != nil && j.Approval.By != nil {
		text += " by " + *j.Approval.By
	}
	if j.Approval != nil && j.Approval.Comment != nil {
		text += ": " + clip(*j.Approval.Comment)
	}
	return text
}

// explainMatrix returns the problem of the output that defines the legs.
func (a *advance) explainMatrix(j *hodei.RunJob) string {
	if j.Spec.Matrix == nil {
		return ""
	}
	output, _ := a.values(j)(j.Spec.Matrix.From)
	_, err := legsFrom(output)
	if err == nil {
		return ""
	}
	return fmt.Sprintf("its matrix comes from %s, which is %q: %s", j.Spec.Matrix.From, clip(output), Issue(err))
}

// globs are the patterns of a condition as they are written.
func globs(all hodei.Globs) string {
	texts := make([]string, len(all))
	for i, glob := range all {
		texts[i] = string(glob)
	}
	return few(texts, "anything")
}

// most is how many items an explanation lists.
const most = 3

// few joins the first items of a list and counts the others; none is the text for no items.
func few(list []string, none string) string {
	switch extra := len(list) - most; {
	case len(list) == 0:
		return none
	case extra > 0:
		return strings.Join(list[:most], ", ") + fmt.Sprintf(" and %d more", extra)
	}
	return strings.Join(list, ", ")
}

// clip shortens a value that an explanation quotes.
func clip(text string) string { return hodei.Clip(text, 100) }
