package cli

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
)

// TestPackSource: what git tracks as it is in the directory, and what it does not ignore;
// outside of git everything.
func TestPackSource(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	git := func(args ...string) {
		cmd := exec.CommandContext(t.Context(), "git", append([]string{"-C", dir, "-c", "user.name=ana", "-c", "user.email=ana@example.com"}, args...)...)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	packed := func(dir string) map[string]string {
		root, err := os.OpenRoot(dir)
		require.NoError(t, err)
		defer root.Close()
		var out bytes.Buffer
		_, err = packSource(t.Context(), root, dir, &out)
		require.NoError(t, err)
		z, err := zstd.NewReader(&out)
		require.NoError(t, err)
		defer z.Close()
		files := map[string]string{}
		for r := tar.NewReader(z); ; {
			h, err := r.Next()
			if err == io.EOF {
				return files
			}
			require.NoError(t, err)
			text, err := io.ReadAll(r)
			require.NoError(t, err)
			files[h.Name] = string(text) + h.Linkname
		}
	}
	write("tracked", "old")
	write("gone", "")
	write("sub/ñ b", "below")
	write("secret.env", "password")
	write(".gitignore", "*.env\n")
	require.Len(t, packed(dir), 5, "no repository")
	git("init", "-q")
	git("add", "-A")
	git("commit", "-q", "-m", "x")
	write("tracked", "new")
	write("untracked", "u")
	require.NoError(t, os.Remove(filepath.Join(dir, "gone")))
	require.NoError(t, os.Symlink("/etc/passwd", filepath.Join(dir, "link")))
	require.Equal(t, map[string]string{".gitignore": "*.env\n", "tracked": "new", "untracked": "u", "sub/ñ b": "below", "link": "/etc/passwd"}, packed(dir))
	require.Equal(t, map[string]string{"ñ b": "below"}, packed(filepath.Join(dir, "sub")))
}
