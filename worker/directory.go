package worker

import (
	"errors"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/hodei-jobs/hodei"
)

// keptDirs is how many empty directories are kept for runs to come.
const keptDirs = 64

// directory is where the command runs: the one the job names, which must be
// there, or an empty one, which remove empties again. To make and to remove one
// for each run costs more on some file systems than to start the command, so
// one that a run leaves empty is given to the next.
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
	select {
	case dir = <-w.dirs:
	default:
		if dir, err = os.MkdirTemp(w.state.work, "run-"); err != nil {
			return "", func() {}, err
		}
	}
	return dir, func() {
		if untouched(dir) {
			select {
			case w.dirs <- dir:
				return
			default:
			}
		}
		if err := removeTree(dir); err != nil {
			w.log.Warn("working directory not removed", "execution_id", id, "err", err)
		}
	}, nil
}

// untouched reports whether a directory is as it was made: empty, and ours.
func untouched(path string) bool {
	info, err := os.Lstat(path)
	if err != nil || info.Mode() != os.ModeDir|0o700 {
		return false
	}
	dir, err := os.Open(path)
	if err != nil {
		return false
	}
	defer dir.Close()
	_, err = dir.Readdirnames(1)
	return errors.Is(err, io.EOF)
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
