package process

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestUnlockStaysInItsTree: a process that replaces a directory by a symbolic
// link during the removal cannot change the mode of another file.
func TestUnlockStaysInItsTree(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	victim := filepath.Join(outside, "victim")
	require.NoError(t, os.Mkdir(victim, 0o755))
	tree := filepath.Join(dir, "tree")
	require.NoError(t, os.MkdirAll(filepath.Join(tree, "a"), 0o755))
	require.NoError(t, os.Symlink(victim, filepath.Join(tree, "b")))
	root, err := os.OpenRoot(dir)
	require.NoError(t, err)
	defer root.Close()
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				_ = unix.Renameat2(unix.AT_FDCWD, filepath.Join(tree, "a"), unix.AT_FDCWD, filepath.Join(tree, "b"), unix.RENAME_EXCHANGE)
			}
		}
	}()
	for range 2000 {
		unlock(root, "tree")
	}
	close(stop)
	<-stopped
	info, err := os.Stat(victim)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o755), info.Mode().Perm())
}
