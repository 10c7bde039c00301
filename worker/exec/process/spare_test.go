package process

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/worker/mark"
)

// leaveAll leaves the set of an execution, and others until a search through
// the processes is due.
func leaveAll(t *testing.T, s *Directories, id hodei.ExecutionID, left set) {
	t.Helper()
	require.NoError(t, s.leaveSet(id, left))
	others := make([]set, lookAfter-1)
	for i := range others {
		var err error
		others[i], err = s.takeSet()
		require.NoError(t, err)
	}
	for _, other := range others {
		require.NoError(t, s.leaveSet(hodei.ExecutionID(uuid.New()), other))
	}
}

func directories(t *testing.T) *Directories {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	root, err := os.OpenRoot(dir)
	require.NoError(t, err)
	defer root.Close()
	require.NoError(t, root.Mkdir("work", 0o700))
	d, err := OpenDirectories(root, dir, "work")
	require.NoError(t, err)
	t.Cleanup(d.Close)
	return d
}

// TestEmptyDirectoriesAreUsedAgain under another name, so that the path of an
// earlier command does not exist.
func TestEmptyDirectoriesAreUsedAgain(t *testing.T) {
	s := directories(t)
	first, err := s.takeSet()
	require.NoError(t, err)
	inode, err := os.Stat(filepath.Join(s.path, string(first), runDir))
	require.NoError(t, err)
	leaveAll(t, s, hodei.ExecutionID(uuid.New()), first)
	require.NoDirExists(t, filepath.Join(s.path, string(first)))
	require.Len(t, s.spares.free, lookAfter)
	for range lookAfter {
		again, err := s.takeSet()
		require.NoError(t, err)
		found, err := os.Stat(filepath.Join(s.path, string(again), runDir))
		require.NoError(t, err)
		if os.SameFile(inode, found) {
			require.NotEqual(t, first, again)
			return
		}
	}
	require.Fail(t, "the directory was not used again")
}

// TestChangedDirectoriesAreRemoved: only an unchanged set is reused.
func TestChangedDirectoriesAreRemoved(t *testing.T) {
	s := directories(t)
	changes := map[string]func(dir string) error{
		"a file":              func(dir string) error { return os.WriteFile(filepath.Join(dir, runDir, ".x"), nil, 0o600) },
		"a file in HOME":      func(dir string) error { return os.WriteFile(filepath.Join(dir, homeDir, "x"), nil, 0o600) },
		"a file beside them":  func(dir string) error { return os.WriteFile(filepath.Join(dir, "x"), nil, 0o600) },
		"another mode":        func(dir string) error { return os.Chmod(filepath.Join(dir, runDir), 0o755) },
		"the mode of the set": func(dir string) error { return os.Chmod(dir, 0o755) },
		"a sticky bit":        func(dir string) error { return os.Chmod(filepath.Join(dir, tmpDir), 0o700|os.ModeSticky) },
		"a missing one":       func(dir string) error { return os.Remove(filepath.Join(dir, tmpDir)) },
		"a link instead": func(dir string) error {
			return os.Rename(filepath.Join(dir, tmpDir), filepath.Join(dir, "x"))
		},
		"a link to another": func(dir string) error {
			if err := os.Remove(filepath.Join(dir, tmpDir)); err != nil {
				return err
			}
			return os.Symlink(homeDir, filepath.Join(dir, tmpDir))
		},
	}
	for what, change := range changes {
		of, err := s.takeSet()
		require.NoError(t, err)
		require.NoError(t, change(filepath.Join(s.path, string(of))), what)
		require.NoError(t, s.leaveSet(hodei.ExecutionID(uuid.New()), of), what)
		require.Empty(t, s.spares.ended, what)
	}
	left, err := os.ReadDir(s.path)
	require.NoError(t, err)
	require.Empty(t, left)
}

// TestDirectoriesOfALeftProcessAreRemoved: an escaped process, found by its
// mark or its directory, must not share a directory with the next execution.
func TestDirectoriesOfALeftProcessAreRemoved(t *testing.T) {
	for what, env := range map[string]func(id hodei.ExecutionID, cmd *exec.Cmd, dir string){
		"its mark":              func(id hodei.ExecutionID, cmd *exec.Cmd, _ string) { cmd.Env = mark.Execution("tag", id) },
		"its working directory": func(_ hodei.ExecutionID, cmd *exec.Cmd, dir string) { cmd.Dir, cmd.Env = dir, []string{} },
	} {
		t.Run(what, func(t *testing.T) {
			s := directories(t)
			of, err := s.takeSet()
			require.NoError(t, err)
			id := hodei.ExecutionID(uuid.New())
			cmd := exec.Command("/bin/sleep", "1000")
			env(id, cmd, filepath.Join(s.path, string(of), tmpDir))
			require.NoError(t, cmd.Start())
			t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
			require.NoError(t, s.leaveSet(id, of))
			kept := s.spares.ended[id]
			require.NotEmpty(t, kept)
			leaveAll(t, s, hodei.ExecutionID(uuid.New()), must(s.takeSet()))
			require.NotContains(t, s.spares.free, kept)
			require.NotContains(t, slices.Collect(maps.Values(s.spares.ended)), kept)
			require.NoDirExists(t, filepath.Join(s.path, string(kept)))
		})
	}
}

// TestSparesAreBounded: more concurrent executions than kept sets leave nothing
// behind.
func TestSparesAreBounded(t *testing.T) {
	s := directories(t)
	sets := make([]set, MaxSpares+20)
	for i := range sets {
		sets[i] = must(s.takeSet())
	}
	for _, of := range sets {
		require.NoError(t, s.leaveSet(hodei.ExecutionID(uuid.New()), of))
	}
	left, err := os.ReadDir(s.path)
	require.NoError(t, err)
	require.Len(t, left, MaxSpares)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
