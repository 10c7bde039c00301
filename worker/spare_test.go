package worker

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestSpareDirectories: a directory is kept for another execution only if it is as it
// was made; under its old name it is gone either way.
func TestSpareDirectories(t *testing.T) {
	s, err := openState(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(s.close)
	inode := func(name string) os.FileInfo {
		info, err := os.Stat(filepath.Join(s.work, name))
		require.NoError(t, err)
		return info
	}
	require.NoError(t, s.reuse("a"))
	first := inode("a")
	require.True(t, s.spare("a"))
	require.NoDirExists(t, filepath.Join(s.work, "a"))
	require.NoError(t, s.reuse("b"))
	require.True(t, os.SameFile(first, inode("b")), "the directory is used again")

	for what, change := range map[string]func(path string) error{
		"a file":         func(path string) error { return os.WriteFile(filepath.Join(path, ".x"), nil, 0o600) },
		"another mode":   func(path string) error { return os.Chmod(path, 0o755) },
		"a sticky bit":   func(path string) error { return os.Chmod(path, 0o700|os.ModeSticky) },
		"another kind":   func(path string) error { return os.Remove(path) },
		"a link instead": func(path string) error { return relink(path) },
	} {
		require.NoError(t, s.create("c"))
		require.NoError(t, change(filepath.Join(s.work, "c")), what)
		require.False(t, s.spare("c"), what)
		require.NoError(t, removeTree(s.root, "c"))
	}
	require.Empty(t, s.spares)

	for n := range maxSpares + 1 {
		require.NoError(t, s.create("c"))
		require.Equal(t, n < maxSpares, s.spare("c"), n)
	}
}

// relink puts a symbolic link to another directory in the place of one.
func relink(path string) error {
	if err := os.Remove(path); err != nil {
		return err
	}
	return os.Symlink("b", path)
}
