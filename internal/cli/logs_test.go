package cli

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
)

func TestPrinter(t *testing.T) {
	lines := []hodei.LogLine{
		{Timestamp: noon, Stream: hodei.Stdout, Line: "long, ", Sequence: 1, Partial: true},
		{Timestamp: noon, Stream: hodei.Stderr, Line: "<oops>", Sequence: 2},
		{Timestamp: noon.Add(1500 * time.Microsecond), Stream: hodei.Stdout, Line: "longer", Sequence: 3},
		{Timestamp: noon, Stream: hodei.Stdout, Line: "", Sequence: 4},
	}
	print := func(stamps, asJSON bool) (string, string) {
		s, out, errs := printing()
		if asJSON {
			s.Format = "json"
		}
		p := newPrinter(s, stamps, nil)
		for _, l := range lines {
			require.NoError(t, p.print(l))
		}
		return out.String(), errs.String()
	}
	out, errs := print(false, false)
	require.Equal(t, "long, longer\n\n", out)
	require.Equal(t, "<oops>\n", errs)
	out, errs = print(true, false)
	require.Equal(t, "2026-01-02T12:00:00.000Z long, longer\n2026-01-02T12:00:00.000Z \n", out)
	require.Equal(t, "2026-01-02T12:00:00.000Z <oops>\n", errs)
	out, errs = print(true, true)
	require.Empty(t, errs)
	require.Contains(t, out, `{"timestamp":"2026-01-02T12:00:00Z","stream":"stderr","line":"<oops>","sequence":2}`+"\n")
	require.Equal(t, 4, bytes.Count([]byte(out), []byte("\n")))
}
