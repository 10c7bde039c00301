package worker

import (
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/hodei-jobs/hodei"
)

// place is where one command runs: its working directory, and a home and a
// directory for temporary files of its own.
type place struct {
	dir, home, tmp string
	set            set
}

// place prepares the directories of an execution; clear releases them, also
// after an error. The working directory is the named one, which must exist, or
// an empty one.
func (w *Worker) place(named *string) (p place, err error) {
	if named != nil {
		if err := enterable(*named); err != nil {
			return p, err
		}
	}
	p.set, err = w.state.takeSet()
	in := filepath.Join(w.state.work, string(p.set))
	p.dir, p.home, p.tmp = filepath.Join(in, runDir), filepath.Join(in, homeDir), filepath.Join(in, tmpDir)
	if named != nil {
		p.dir = *named
	}
	return p, err
}

func enterable(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return err
	case !info.IsDir():
		return &os.PathError{Op: "chdir", Path: dir, Err: unix.ENOTDIR}
	}
	return unix.Access(dir, unix.X_OK)
}

// clear releases the directories of an execution.
func (w *Worker) clear(id hodei.ExecutionID, p place) {
	if p.set == "" {
		return
	}
	if err := w.state.leaveSet(id, p.set); err != nil {
		w.log.Warn("directories not removed", "execution_id", id, "err", err)
	}
}

// removeTree removes a directory in root, including the read-only directories
// that package managers create.
func removeTree(root *os.Root, name string) error {
	if root.Remove(name) == nil || root.RemoveAll(name) == nil { // most are empty
		return nil
	}
	unlock(root, name)
	return root.RemoveAll(name)
}

// unlock makes every directory of the tree writable. A process that still runs
// in the tree may replace a directory by a symbolic link at any time; root
// prevents chmod from following it out of the tree.
func unlock(root *os.Root, name string) {
	_ = fs.WalkDir(root.FS(), filepath.ToSlash(name), func(path string, entry fs.DirEntry, err error) error {
		if entry != nil && entry.IsDir() {
			_ = root.Chmod(path, 0o700) // RemoveAll reports what it cannot remove
		}
		return nil
	})
}
