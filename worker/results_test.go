package worker

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/hodei-jobs/hodei"
)

func TestOutputsAreLines(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]map[string]string{
		"":                                 {},
		"version=1.4\n":                    {"version": "1.4"},
		"a=1\r\n\nb=x=y\na=2":              {"a": "2", "b": "x=y"},
		"notes<<END\none\n\n two\nEND\nc=": {"notes": "one\n\n two", "c": ""},
		"a=b<<c":                           {"a": "b<<c"},
		"empty<<E\nE\n":                    {"empty": ""},
	} {
		got, err := parseOutputs(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"no sign", "=x", "a b=1", "notes<<END\none", "notes<<\n", "a=\x00", "a=\xff"} {
		_, err := parseOutputs(text)
		require.Error(t, err, text)
	}
}

// TestOutputsAreAFileOfTheCommand: a command can put anything in its place. The
// worker neither follows a link nor waits for a pipe.
func TestOutputsAreAFileOfTheCommand(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	none, err := readOutputs(filepath.Join(dir, "none"))
	require.NoError(t, err)
	require.Nil(t, none)
	secret, link, pipe, large := filepath.Join(dir, "secret"), filepath.Join(dir, "link"), filepath.Join(dir, "pipe"), filepath.Join(dir, "large")
	require.NoError(t, os.WriteFile(secret, []byte("a=b"), 0o600))
	require.NoError(t, os.Symlink(secret, link))
	require.NoError(t, unix.Mkfifo(pipe, 0o600))
	require.NoError(t, os.WriteFile(large, []byte("a="+strings.Repeat("x", hodei.MaxOutputs)), 0o600))
	for _, path := range []string{link, pipe, large, dir} {
		_, err := readOutputs(path)
		require.Error(t, err, path)
	}
	got, err := readOutputs(secret)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"a": "b"}, got)
}

// TestOutputsComeWithTheEnd: a command that writes no valid outputs fails.
func TestOutputsComeWithTheEnd(t *testing.T) {
	t.Parallel()
	f := start(t)
	end, _ := f.outcome(f.request(`echo "version=1.4" >> $HODEI_OUTPUT; exit 3`))
	require.Equal(t, hodei.Failed, end.Status)
	require.Equal(t, map[string]string{"version": "1.4"}, end.Outputs)
	end, lines := f.outcome(f.request(`echo "not an output" >> $HODEI_OUTPUT`))
	require.Equal(t, hodei.Failed, end.Status)
	require.Equal(t, hodei.ReasonInvalidOutput, *end.Reason)
	require.Contains(t, lines[0].Line, "line 1")
	end, _ = f.outcome(f.request("true"))
	require.Equal(t, hodei.Completed, end.Status)
	require.Nil(t, end.Outputs)
}
