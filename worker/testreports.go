package worker

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/junit"
	"github.com/hodei-jobs/hodei/schemas"
)

// reportsMost is the size limit of all test reports of one artifact.
const reportsMost = 64 << 20

// testReports reads the test reports among the files of an artifact while the artifact is packed
// or verified. A report that it cannot read becomes a line of the log.
type testReports struct {
	run      *run
	artifact string
	report   *hodei.TestReport // nil without any
	seen     int64             // bytes of reports
}

// read reads a file if its name ends in .xml.
func (t *testReports) read(name string, content io.Reader) {
	if !strings.EqualFold(path.Ext(name), ".xml") || t.seen > reportsMost {
		return
	}
	n, sum := &countingReader{Reader: content}, sha256.New()
	report, err := junit.Read(io.TeeReader(n, sum))
	t.seen += n.read
	switch {
	case errors.Is(err, junit.ErrOther) || err == nil && t.run.knows([sha256.Size]byte(sum.Sum(nil))):
	case err != nil:
		t.run.note("warning: artifact %s: the test report %q is left out: %v", t.artifact, name, err)
	case t.seen > reportsMost:
		t.run.note("warning: artifact %s: the test report %q and those after it are left out: together more than %s", t.artifact, name, humanize.IBytes(reportsMost))
	case t.report == nil:
		t.report = new(t.masked(report))
	default:
		*t.report = junit.Merge(*t.report, t.masked(report))
	}
}

// knows records the digest of a report and reports whether it was recorded before, because a file
// may be in several artifacts.
func (r *run) knows(sum [sha256.Size]byte) bool {
	known := r.reports[sum]
	if r.reports == nil {
		r.reports = map[[sha256.Size]byte]bool{}
	}
	r.reports[sum] = true
	return known
}

// masked masks the secrets of the execution, because the report is stored and shown.
func (t *testReports) masked(r hodei.TestReport) hodei.TestReport {
	if t.run.secrets.Len() == 0 {
		return r
	}
	mask := t.run.secrets.Mask
	for _, tests := range [][]hodei.TestCase{r.Failures, r.Slowest} {
		for i, test := range tests {
			tests[i].Suite, tests[i].Name, tests[i].Message = mask(test.Suite), mask(test.Name), mask(test.Message)
		}
	}
	return r.Bounded()
}

type countingReader struct {
	io.Reader
	read int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.read += int64(n)
	return n, err
}

// reportsInRequest bounds the reports of one request, in bytes of JSON. Reports beyond it have
// only their counts.
const reportsInRequest = 256 << 10

func boundReports(drafts []schemas.NewArtifact) {
	size := 0
	for _, draft := range drafts {
		if draft.Report == nil {
			continue
		}
		text, err := hodei.JSON(draft.Report)
		if size += len(text); err != nil || size > reportsInRequest {
			draft.Report.Failures, draft.Report.Slowest = []hodei.TestCase{}, []hodei.TestCase{}
		}
	}
}

// tested returns the outcome of the tests of an artifact for the log.
func tested(r *hodei.TestReport) string {
	if r == nil {
		return ""
	}
	return fmt.Sprintf("; %s: %s", counted(r.Total(), "test"), r)
}
