package hodei

import (
	"fmt"
	"strings"
)

// TestReport summarizes the JUnit XML files of an artifact. Secrets of the job are masked.
type TestReport struct {
	// Passed, Failed and Skipped count the tests by their outcome. A test with an error has
	// failed.
	Passed  int `json:"passed"`
	Failed  int `json:"failed"`
	Skipped int `json:"skipped"`
	// DurationSeconds is the sum of the durations of the tests.
	DurationSeconds float64 `json:"duration_seconds"`
	// Failures are the first 25 failed tests, in the order of the files.
	Failures []TestCase `json:"failures"`
	// Slowest are the 10 slowest tests, slowest first.
	Slowest []TestCase `json:"slowest"`
}

// TestCase is one test of a report. Long texts are cut off.
type TestCase struct {
	// Suite is the class or the suite of the test, empty if the file names none.
	Suite string `json:"suite"`
	Name  string `json:"name"`
	// DurationSeconds is 0 if the file has no duration.
	DurationSeconds float64 `json:"duration_seconds"`
	// Message is why the test failed, empty for one that did not.
	Message string `json:"message"`
}

// The limits of a report, in tests and in bytes.
const (
	MaxReportedFailures = 25
	MaxReportedSlowest  = 10
	MaxTestName         = 200 // also of a suite
	MaxTestMessage      = 500
)

// Total is the number of tests.
func (r *TestReport) Total() int { return r.Passed + r.Failed + r.Skipped }

// Bounded returns the report with its lists and texts cut off at their limits.
func (r TestReport) Bounded() TestReport {
	r.Failures = bounded(r.Failures, MaxReportedFailures)
	r.Slowest = bounded(r.Slowest, MaxReportedSlowest)
	return r
}

func bounded(tests []TestCase, most int) []TestCase {
	out := make([]TestCase, min(len(tests), most))
	for i := range out {
		t := tests[i]
		t.Suite, t.Name, t.Message = cutText(t.Suite, MaxTestName), cutText(t.Name, MaxTestName), cutText(t.Message, MaxTestMessage)
		out[i] = t
	}
	return out
}

// cutText returns at most that many bytes of a text, as UTF-8 without NUL, which Postgres does
// not store. Clip counts characters; a report has a limit of its size.
func cutText(text string, most int) string {
	text = strings.ReplaceAll(text, "\x00", "")
	if len(text) > most {
		const ellipsis = "…"
		text = text[:most-len(ellipsis)] + ellipsis
	}
	return strings.ToValidUTF8(text, "")
}

// String returns the outcomes as text, such as "214 passed, 2 failed".
func (r TestReport) String() string {
	text := fmt.Sprintf("%d passed", r.Passed)
	if r.Failed > 0 {
		text += fmt.Sprintf(", %d failed", r.Failed)
	}
	if r.Skipped > 0 {
		text += fmt.Sprintf(", %d skipped", r.Skipped)
	}
	return text
}
