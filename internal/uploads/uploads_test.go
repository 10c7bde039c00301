package uploads_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei/internal/uploads"
)

func write(dir, name, text string) error {
	return uploads.Write(dir, uploads.Upload{Name: name}, func(to io.Writer) error {
		_, err := io.WriteString(to, text)
		return err
	})
}

func TestUploads(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "uploads")
	found, err := uploads.Read(dir)
	require.NoError(t, err)
	require.Empty(t, found, "no directory, no uploads")
	require.NoError(t, write(dir, "b/ñ", "two"))
	require.NoError(t, write(dir, "a", "one"))
	require.ErrorIs(t, write(dir, "a", "again"), uploads.ErrTaken)
	broken := errors.New("broken")
	require.ErrorIs(t, uploads.Write(dir, uploads.Upload{Name: "c"}, func(io.Writer) error { return broken }), broken)
	found, err = uploads.Read(dir)
	require.NoError(t, err)
	require.Len(t, found, 2)
	for i, want := range []string{"one", "two"} {
		f, err := uploads.Open(dir, found[i])
		require.NoError(t, err)
		text, err := io.ReadAll(f)
		require.NoError(t, errors.Join(err, f.Close()))
		require.Equal(t, want, string(text))
	}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 4, "nothing is left of what failed")
	for _, name := range []string{"", strings.Repeat("x", 101), "two\nlines", "\xff"} {
		require.Error(t, write(dir, name, ""), "%q", name)
	}
}

// TestTheDirectoryIsOfTheJob: whatever a job puts there, nothing outside of it is read.
func TestTheDirectoryIsOfTheJob(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "outside")
	require.NoError(t, os.WriteFile(outside, []byte("secret"), 0o600))
	for what, change := range map[string]func(dir, record string) error{
		"another name": func(_, record string) error { return os.WriteFile(record, []byte(`{"name":"b","content":"x"}`), 0o600) },
		"no JSON":      func(_, record string) error { return os.WriteFile(record, []byte("{"), 0o600) },
		"too large": func(_, record string) error {
			return os.WriteFile(record, []byte(strings.Repeat(" ", 5000)+"{}"), 0o600)
		},
		"a link":      func(_, record string) error { return errors.Join(os.Remove(record), os.Symlink(outside, record)) },
		"a directory": func(_, record string) error { return errors.Join(os.Remove(record), os.Mkdir(record, 0o700)) },
		"a file":      func(dir, _ string) error { return errors.Join(os.RemoveAll(dir), os.WriteFile(dir, nil, 0o600)) },
	} {
		dir := filepath.Join(t.TempDir(), "uploads")
		require.NoError(t, write(dir, "a", "one"))
		records, err := filepath.Glob(filepath.Join(dir, "*.json"))
		require.NoError(t, err)
		require.NoError(t, change(dir, records[0]))
		_, err = uploads.Read(dir)
		require.Error(t, err, what)
		require.NotContains(t, err.Error(), dir, "the error is in the log of the job")
	}
	dir := t.TempDir()
	require.NoError(t, os.Symlink(outside, filepath.Join(dir, "link")))
	for _, content := range []string{"link", "../outside", outside, "", "."} {
		_, err := uploads.Open(dir, uploads.Upload{Content: content})
		require.Error(t, err, "%q", content)
	}
}
