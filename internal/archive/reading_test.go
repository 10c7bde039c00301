package archive_test

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei/internal/archive"
)

// TestReadingDoesNotChangeTheArchive: whether a file is read to its end, in part, beyond its
// end or not at all.
func TestReadingDoesNotChangeTheArchive(t *testing.T) {
	long := strings.Repeat("0123456789", 100_000)
	root := tree(t, map[string]string{"all": long, "none": long, "part": long, "empty": ""})
	want, _ := pack(t, root, "*")
	globs, err := archive.NewGlobs([]string{"*"})
	require.NoError(t, err)
	var got bytes.Buffer
	read := map[string]string{}
	p, err := archive.PackReading(t.Context(), root, globs, &got, func(name string, content io.Reader) {
		switch name {
		case "all", "empty":
			text, err := io.ReadAll(content)
			require.NoError(t, err)
			n, err := content.Read(make([]byte, 1))
			require.Zero(t, n)
			require.ErrorIs(t, err, io.EOF)
			read[name] = string(text)
		case "part":
			text := make([]byte, 10)
			_, err := io.ReadFull(content, text)
			require.NoError(t, err)
			read[name] = string(text)
		}
	})
	require.NoError(t, err)
	require.Equal(t, archive.Packed{Files: 4}, p)
	require.Equal(t, map[string]string{"all": long, "empty": "", "part": "0123456789"}, read)
	require.True(t, bytes.Equal(want, got.Bytes()))
}
