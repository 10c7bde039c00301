package session

import (
	"strconv"
	"strings"

	"github.com/hodei-jobs/hodei"
)

// RunName is a run as people name it: release#42, or its id where the pipeline has no slug.
func RunName(r hodei.Run) string { return runName(r.ID, r.Pipeline, r.Number) }

// ChildName is the name of the run that a job has started, "" without one.
func ChildName(c *hodei.ChildRun) string {
	if c == nil {
		return ""
	}
	return runName(c.RunID, c.Pipeline, c.Number)
}

// ParentName is the job that has started a run, as release#42/smoke, "" without one.
func ParentName(p *hodei.ParentRun) string {
	if p == nil {
		return ""
	}
	return runName(p.RunID, p.Pipeline, p.Number) + "/" + p.JobKey
}

func runName(id hodei.RunID, pipeline *string, number int) string {
	if pipeline == nil {
		return id.String()
	}
	return *pipeline + "#" + strconv.Itoa(number)
}

// IsRun reports whether the text can only mean a run, or a job of one: release#42,
// run_0198…, release#42/test.
func IsRun(text string) bool {
	return strings.Contains(text, "#") || strings.HasPrefix(text, hodei.RunID{}.Prefix()+"_")
}
