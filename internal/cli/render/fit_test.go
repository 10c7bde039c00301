package render

import (
	"bytes"
	"strings"
	"testing"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/stretchr/testify/require"
)

const someID = "exec_0198c5f2-7b1e-7cc3-9d1e-3f6a2b4c5d6e"

// drawn is a table at a width, without the last line break.
func drawn(t *testing.T, width int, headers []string, rows ...[]string) string {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, Table(&out, width, headers, rows))
	return strings.TrimSuffix(out.String(), "\n")
}

func TestTableFitsItsWidth(t *testing.T) {
	headers := []string{"id", "name", "status", "command", "at"}
	row := []string{someID, "release#42/test", "COMPLETED", "sh -c 'echo a command that is long'", "2026-01-02T12:00:00Z (3h ago)"}
	full := "ID                                          NAME              STATUS      COMMAND                               AT\n" +
		someID + "   release#42/test   COMPLETED   sh -c 'echo a command that is long'   2026-01-02T12:00:00Z (3h ago)"
	for _, any := range []int{0, 150, 141} {
		require.Equal(t, full, drawn(t, any, headers, row), any)
	}
	short := "ID         NAME              STATUS      COMMAND                               AT\n" +
		"2b4c5d6e   release#42/test   COMPLETED   sh -c 'echo a command that is long'   3h ago"
	require.Equal(t, short, drawn(t, 140, headers, row))
	require.Equal(t, short, drawn(t, 85, headers, row))
	require.Equal(t, "ID        NAME             STATUS     COMMAND                   AT\n"+
		"2b4c5d6e  release#42/test  COMPLETED  sh -c 'echo a command t…  3h ago", drawn(t, 70, headers, row))
	require.Equal(t, "ID        NAME             STATUS     COMMAND     AT\n"+
		"2b4c5d6e  release#42/test  COMPLETED  sh -c 'ec…  3h ago", drawn(t, 56, headers, row), "a long text goes before a name")
	require.Equal(t, "ID        NAME          STATUS     COMMAND     AT\n"+
		"2b4c5d6e  release#42/…  COMPLETED  sh -c 'ec…  3h ago", drawn(t, 53, headers, row))
	require.Equal(t, someID, row[0], "the row itself is as it was")
}

// A terminal of few columns is still wide enough for whole statuses, if names and commands are short.
func TestTableClipsNothingBelowItsLeast(t *testing.T) {
	headers := []string{"id", "status", "expires"}
	row := []string{someID, "TERMINATING", "2026-01-02T12:00:00Z"}
	require.Equal(t, "ID        STATUS  EXPIRES\n2b4c5d6e  TERMI…  2026-01-02T12:00:00Z", drawn(t, 38, headers, row))
	require.Equal(t, "ID        STATUS  EXPIRES\n2b4c5d6e  TERMI…  2026-01-02T12:00:00Z", drawn(t, 10, headers, row), "ids and times are never clipped")
	require.Equal(t, "NAME\n2b4c5d6e\na long …", drawn(t, 8, []string{"name"}, []string{someID}, []string{"a long name"}), "a column of both")
}

func TestTableCountsColumnsOfTheTerminal(t *testing.T) {
	const coloured = "\x1b[31ma red text\x1b[0m"
	require.Equal(t, "A            B\n"+coloured+"   生命", drawn(t, 17, []string{"a", "b"}, []string{coloured, "生命"}))
	clipped := drawn(t, 14, []string{"a", "b"}, []string{coloured, "生命"})
	require.Contains(t, clipped, "a red")
	require.Contains(t, clipped, "…")
	for line := range strings.Lines(clipped) {
		require.LessOrEqual(t, text.StringWidthWithoutEscSequences(strings.TrimSuffix(line, "\n")), 14)
	}
}

func TestShort(t *testing.T) {
	for long, want := range map[string]string{
		someID:                              "2b4c5d6e",
		"run_" + someID[5:] + "/a":          "2b4c5d6e/a",
		"echo " + someID:                    "echo " + someID,
		someID + " COMPLETED":               someID + " COMPLETED",
		"2026-01-02T12:00:00+01:00 (in 5d)": "in 5d",
		"2026-01-02T12:00:00Z":              "2026-01-02T12:00:00Z",
		"-":                                 "-",
	} {
		require.Equal(t, want, short(long))
	}
}

// The remedies of the doctor are broken between words, not clipped.
func TestAdvice(t *testing.T) {
	draw := func(width int) string {
		var out bytes.Buffer
		require.NoError(t, Advice(&out, width, []string{"", "check", "found"}, [][]string{{"ok", "disk", "a text of several words, all needed"}}))
		return out.String()
	}
	require.Equal(t, "     CHECK   FOUND\nok   disk    a text of several words, all needed\n", draw(0))
	require.Equal(t, "     CHECK   FOUND\nok   disk    a text of several\n             words, all needed\n", draw(36))
	require.Equal(t, draw(0), draw(20), "no room for words")
}
