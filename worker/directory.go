package worker

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/hodei-jobs/hodei"
)

// place is where one command runs: its working directory, and a home and a
// directory for temporary files that no other command has.
type place struct {
	dir, home, tmp string
	made           []string // names in the state's work directory
}

// place makes the directories of an execution; clear removes them, also after an
// error. The working directory is the named one, which must exist, or a fresh one,
// which is never used again, not even when empty: a process that the command left
// behind may still be in it. HOME and TMPDIR may be spares. All lie side by side,
// under the last digits of the execution's id: a directory around them would cost
// one more mkdir, and a long name would leave no room for the sockets that programs
// make in TMPDIR (108 bytes).
func (w *Worker) place(id hodei.ExecutionID, named *string) (p place, err error) {
	if named != nil {
		p.dir = *named
		if err := enterable(p.dir); err != nil {
			return p, err
		}
	}
	text := id.String()
	short := text[len(text)-12:]
	fresh := func(name string, create func(string) error) (dir string) {
		if err == nil {
			dir = filepath.Join(w.state.work, name)
			if err = create(name); err == nil {
				p.made = append(p.made, name)
			}
		}
		return dir
	}
	if named == nil {
		p.dir = fresh(short, w.state.create)
	}
	p.home, p.tmp = fresh(short+homeSuffix, w.state.reuse), fresh(short+tmpSuffix, w.state.reuse)
	return p, err
}

const (
	homeSuffix = ".home"
	tmpSuffix  = ".tmp"
)

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

// clear removes the directories that were made for an execution, or keeps them as
// spares.
func (w *Worker) clear(id hodei.ExecutionID, p place) {
	var errs []error
	for _, name := range p.made {
		if name != filepath.Base(p.dir) && w.state.spare(name) {
			continue
		}
		errs = append(errs, removeTree(w.state.root, name))
	}
	if err := errors.Join(errs...); err != nil {
		w.log.Warn("directories not removed", "execution_id", id, "err", err)
	}
}

// removeTree removes a directory in root, with the read-only directories that
// package managers like to leave in it.
func removeTree(root *os.Root, name string) error {
	if root.Remove(name) == nil || root.RemoveAll(name) == nil { // most are empty
		return nil
	}
	unlock(root, name)
	return root.RemoveAll(name)
}

// unlock makes every directory of the tree writable. A process that is still in
// the tree may replace a directory by a symbolic link at any time; root keeps
// chmod from following it out.
func unlock(root *os.Root, name string) {
	_ = fs.WalkDir(root.FS(), filepath.ToSlash(name), func(path string, entry fs.DirEntry, err error) error {
		if entry != nil && entry.IsDir() {
			_ = root.Chmod(path, 0o700) // RemoveAll reports what it cannot remove
		}
		return nil
	})
}
