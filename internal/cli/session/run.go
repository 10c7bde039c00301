package session

import (
	"strconv"
	"strings"

	"github.com/hodei-jobs/hodei"
)

// RunName is a run as people name it: release#42, or its id where the pipeline has no slug.
func RunName(r hodei.Run) string {
	if r.Pipeline == nil {
		return r.ID.String()
	}
	return *r.Pipeline + "#" + strconv.Itoa(r.Number)
}

// IsRun reports whether the text can only mean a run, or a job of one: release#42,
// run_0198…, release#42/test.
func IsRun(text string) bool {
	return strings.Contains(text, "#") || strings.HasPrefix(text, hodei.RunID{}.Prefix()+"_")
}
