package junit

import (
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/hodei-jobs/hodei"
)

// MaxBytes is the size limit of a report.
const MaxBytes = 16 << 20

// maxDepth is how deep elements may be nested.
const maxDepth = 32

// ErrOther is returned for a file that is no report.
var ErrOther = errors.New("no test report")

// Read returns the report of a file. It may return before the end of the file.
func Read(from io.Reader) (hodei.TestReport, error) { return read(from, MaxBytes) }

// read is Read with a limit in bytes.
func read(from io.Reader, most int64) (hodei.TestReport, error) {
	limited := &io.LimitedReader{R: from, N: most + 1}
	r := reader{xml: xml.NewDecoder(limited)}
	err := r.read()
	switch {
	case r.root == "":
		return hodei.TestReport{}, ErrOther
	case limited.N == 0:
		return hodei.TestReport{}, fmt.Errorf("larger than %d MiB", most>>20)
	case err != nil:
		return hodei.TestReport{}, err
	}
	r.report.Slowest = slowest(r.report.Slowest)
	return r.report.Bounded(), nil
}

// Merge returns the report of both.
func Merge(a, b hodei.TestReport) hodei.TestReport {
	a.Passed, a.Failed, a.Skipped = a.Passed+b.Passed, a.Failed+b.Failed, a.Skipped+b.Skipped
	a.DurationSeconds += b.DurationSeconds
	a.Failures, a.Slowest = slices.Concat(a.Failures, b.Failures), slowest(slices.Concat(a.Slowest, b.Slowest))
	return a.Bounded()
}

// slowest returns the slowest of the tests, slowest first.
func slowest(tests []hodei.TestCase) []hodei.TestCase {
	slices.SortStableFunc(tests, func(a, b hodei.TestCase) int { return cmp.Compare(b.DurationSeconds, a.DurationSeconds) })
	return tests[:min(len(tests), hodei.MaxReportedSlowest)]
}

// reader reads one file.
type reader struct {
	xml     *xml.Decoder
	root    string // root element of a report; "" before it is found
	typed   bool   // the file has a document type declaration
	within  []element
	test    *hodei.TestCase // the test that is being read
	outcome string          // of the test: failure, error, skipped, or "" if it passed
	text    strings.Builder // of the failure
	report  hodei.TestReport
}

// element is an open element with the name of the suite that it opens, if any.
type element struct{ kind, name string }

func (r *reader) read() error {
	for {
		token, err := r.xml.Token()
		if err == io.EOF && len(r.within) == 0 {
			return nil
		}
		if err != nil {
			return err
		}
		switch t := token.(type) {
		case xml.Directive:
			r.typed = true
		case xml.StartElement:
			err = r.begin(t)
		case xml.EndElement:
			r.end(t.Name.Local)
		case xml.CharData:
			r.chars(t)
		}
		if err != nil {
			return err
		}
	}
}

func (r *reader) begin(e xml.StartElement) error {
	kind, in := e.Name.Local, r.parent()
	if len(r.within) == 0 && r.root == "" {
		if kind != "testsuites" && kind != "testsuite" {
			return ErrOther
		}
		r.root = kind
	}
	switch {
	case r.typed:
		return errors.New("a document type declaration is not allowed")
	case len(r.within) == maxDepth:
		return fmt.Errorf("elements are nested more than %d deep", maxDepth)
	}
	r.within = append(r.within, element{kind, attribute(e, "name")})
	switch {
	case kind == "testcase" && (in == "testsuite" || in == "testsuites"):
		r.test = &hodei.TestCase{
			Suite: cmp.Or(attribute(e, "classname"), r.suite()), Name: attribute(e, "name"), DurationSeconds: seconds(attribute(e, "time")),
		}
	case in != "testcase":
	case kind == "failure" || kind == "error":
		if r.outcome != "failure" {
			r.outcome = "failure"
			r.test.Message = strings.TrimSpace(attribute(e, "message"))
		}
	case kind == "skipped" && r.outcome == "":
		r.outcome = "skipped"
	}
	return nil
}

// parent returns the kind of the innermost open element.
func (r *reader) parent() string {
	if len(r.within) == 0 {
		return ""
	}
	return r.within[len(r.within)-1].kind
}

// suite returns the name of the innermost suite with a name.
func (r *reader) suite() string {
	for _, e := range slices.Backward(r.within) {
		if e.kind == "testsuite" && e.name != "" {
			return e.name
		}
	}
	return ""
}

// chars stores the beginning of the text of a failure.
func (r *reader) chars(text []byte) {
	if in := r.parent(); r.test != nil && (in == "failure" || in == "error") {
		r.text.Write(text[:min(len(text), max(0, hodei.MaxTestMessage-r.text.Len()))])
	}
}

func (r *reader) end(kind string) {
	r.within = r.within[:len(r.within)-1]
	if kind == "testcase" && r.test != nil {
		r.finish(*r.test)
		r.test, r.outcome = nil, ""
		r.text.Reset()
	}
}

// finish counts a test.
func (r *reader) finish(t hodei.TestCase) {
	out := &r.report
	out.DurationSeconds += t.DurationSeconds
	switch r.outcome {
	case "failure":
		out.Failed++
		t.Message = message(t.Message, r.text.String())
		if len(out.Failures) < hodei.MaxReportedFailures {
			out.Failures = append(out.Failures, t)
		}
	case "skipped":
		out.Skipped++
	default:
		out.Passed++
	}
	if t.Message = ""; t.DurationSeconds > 0 {
		if out.Slowest = append(out.Slowest, t); len(out.Slowest) == 20*hodei.MaxReportedSlowest {
			out.Slowest = slowest(out.Slowest)
		}
	}
}

// message joins the attribute and the text of a failure. It leaves out an attribute that the text
// repeats or that is "Failed", and the lines in which go test announces a test.
func message(short, long string) string {
	var lines []string
	for line := range strings.Lines(strings.ToValidUTF8(long, "")) {
		if !strings.HasPrefix(line, "=== ") {
			lines = append(lines, line)
		}
	}
	long = strings.TrimSpace(strings.Join(lines, ""))
	if long != "" && (strings.HasPrefix(long, short) || strings.EqualFold(short, "failed")) {
		return long
	}
	return strings.TrimSpace(short + "\n" + long)
}

func attribute(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// seconds parses a duration, as 1.25 or 1,234.5; 0 for anything else.
func seconds(text string) float64 {
	s, err := strconv.ParseFloat(strings.ReplaceAll(strings.TrimSpace(text), ",", ""), 64)
	if err != nil || math.IsNaN(s) || s < 0 || s > maxSeconds {
		return 0
	}
	return s
}

// maxSeconds is ten years, in seconds.
const maxSeconds = 10 * 365 * 24 * 3600
