package junit_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/junit"
)

const gotestsum = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="99" failures="99">
  <testsuite tests="3" failures="1" time="1.5" name="example.com/shop">
    <properties><property name="go.version" value="go1.26"></property></properties>
    <testcase classname="example.com/shop" name="TestCart" time="0.250"></testcase>
    <testcase classname="example.com/shop" name="TestPay &lt;card&gt;" time="1,201.5">
      <failure message="Failed" type="">=== RUN TestPay
    pay_test.go:12: want 1, got 2 &amp; more</failure>
    </testcase>
    <testcase name="TestLater" time="x"><skipped message="not now"></skipped><system-out>noise</system-out></testcase>
    <testsuite name="nested"><testcase name="broken"><error message="no database"/><failure>and this</failure></testcase></testsuite>
  </testsuite>
</testsuites>`

func TestReport(t *testing.T) {
	r, err := junit.Read(strings.NewReader(gotestsum))
	require.NoError(t, err)
	require.Equal(t, hodei.TestReport{
		Passed: 1, Failed: 2, Skipped: 1, DurationSeconds: 1201.75,
		Failures: []hodei.TestCase{
			{Suite: "example.com/shop", Name: "TestPay <card>", DurationSeconds: 1201.5, Message: "pay_test.go:12: want 1, got 2 & more"},
			{Suite: "nested", Name: "broken", Message: "no database\nand this"},
		},
		Slowest: []hodei.TestCase{
			{Suite: "example.com/shop", Name: "TestPay <card>", DurationSeconds: 1201.5},
			{Suite: "example.com/shop", Name: "TestCart", DurationSeconds: 0.25},
		},
	}, r)
	require.Equal(t, "1 passed, 2 failed, 1 skipped", r.String())

	twice := junit.Merge(r, r)
	require.Equal(t, 8, twice.Total())
	require.Len(t, twice.Failures, 4)
	require.Equal(t, 1201.5, twice.Slowest[1].DurationSeconds)
}

// TestWhatIsRefused: what is no report is left alone, and what is a report is read as a
// whole or not at all.
func TestWhatIsRefused(t *testing.T) {
	for _, other := range []string{"", "no XML", "<html><testsuite/></html>", "<project>", "\x00", `<?xml version="1.0" encoding="UTF-16"?><testsuite/>`, "<!DOCTYPE html><html/>",
		`<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><testsuite name="&b;"/>`} {
		_, err := junit.Read(strings.NewReader(other))
		require.ErrorIs(t, err, junit.ErrOther, "%q", other)
	}
	for text, want := range map[string]string{
		`<testsuite><testcase name="a">`:                       "EOF",
		`<testsuite><testcase name="a"></testsuite>`:           "closed by",
		`<!DOCTYPE x SYSTEM "file:///etc/passwd"><testsuite/>`: "document type",
		`<testsuite><testcase name="&unknown;"/></testsuite>`:  "entity",
		strings.Repeat("<testsuite>", 40):                      "nested",
	} {
		r, err := junit.Read(strings.NewReader(text))
		require.ErrorContains(t, err, want, "%.80q", text)
		require.Zero(t, r.Total())
	}
	_, err := junit.ReadAtMost(strings.NewReader(gotestsum), int64(len(gotestsum)))
	require.NoError(t, err)
	_, err = junit.ReadAtMost(strings.NewReader(gotestsum+" "), int64(len(gotestsum)))
	require.ErrorContains(t, err, "larger than")
}

// TestBounds: however many tests fail, and however much they print.
func TestBounds(t *testing.T) {
	var b strings.Builder
	b.WriteString("<testsuite>")
	for i := range 100 {
		fmt.Fprintf(&b, `<testcase name="%d%s" time="%d"><failure message="%[2]s">%[2]s</failure></testcase>`, i, strings.Repeat("ñ", 300), i)
	}
	b.WriteString("</testsuite>")
	r, err := junit.Read(strings.NewReader(b.String()))
	require.NoError(t, err)
	require.Equal(t, 100, r.Failed)
	require.Len(t, r.Failures, hodei.MaxReportedFailures)
	require.Len(t, r.Slowest, hodei.MaxReportedSlowest)
	require.Equal(t, 99.0, r.Slowest[0].DurationSeconds)
	for _, f := range r.Failures {
		require.LessOrEqual(t, len(f.Name), hodei.MaxTestName)
		require.LessOrEqual(t, len(f.Message), hodei.MaxTestMessage)
		require.True(t, utf8.ValidString(f.Name) && utf8.ValidString(f.Message))
	}
	text, err := hodei.JSON(r)
	require.NoError(t, err)
	require.Less(t, len(text), 32<<10)
}
