package worker

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/hodei-jobs/hodei"
)

// directory is where the command runs: the one the job names, which must be
// there, or a fresh one, which remove deletes. It is never used again, not even
// an empty one, for what a run has left behind may still be in it.
func (w *Worker) directory(id hodei.ExecutionID, named *string) (dir string, remove func(), err error) {
	if named != nil {
		dir = *named
		info, err := os.Stat(dir)
		if err == nil && !info.IsDir() {
			err = &os.PathError{Op: "chdir", Path: dir, Err: unix.ENOTDIR}
		}
		if err == nil {
			err = unix.Access(dir, unix.X_OK)
		}
		return dir, func() {}, err
	}
	dir = filepath.Join(w.state.work, id.String())
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", func() {}, err
	}
	return dir, func() {
		if err := removeTree(dir); err != nil {
			w.log.Warn("working directory not removed", "execution_id", id, "err", err)
		}
	}, nil
}

// removeTree removes a directory, read-only ones in it too, which package
// managers like to leave behind.
func removeTree(dir string) error {
	if os.RemoveAll(dir) == nil {
		return nil
	}
	_ = filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if entry != nil && entry.IsDir() {
			_ = os.Chmod(path, 0o700)
		}
		return nil
	})
	return os.RemoveAll(dir)
}
