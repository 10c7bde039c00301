package process

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/hodei-jobs/hodei"
)

// Place is where one command runs: its working directory, and a home and a
// directory for temporary files of its own.
type Place struct {
	Dir, Home, Tmp string
	set            set
}

// Directories makes the directories of executions, in one directory of its own.
type Directories struct {
	path   string // without symbolic links, as the system shows directories of processes
	root   *os.Root
	dir    *os.File // the same, open
	spares spares
}

// OpenDirectories uses the empty directory of that name in root, whose path is dir, an
// absolute path without symbolic links. Close closes it.
func OpenDirectories(root *os.Root, dir, name string) (*Directories, error) {
	work, err := root.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	open, err := work.Open(".")
	if err != nil {
		return nil, errors.Join(err, work.Close())
	}
	return &Directories{path: filepath.Join(dir, name), root: work, dir: open}, nil
}

// Close releases the directory, and leaves it in place.
func (d *Directories) Close() {
	d.dir.Close()
	d.root.Close()
}

// Take prepares the directories of an execution. The working directory is the named
// one, which must exist, or an empty one if named is nil. Leave releases the place,
// also after an error.
func (d *Directories) Take(named *string) (p Place, err error) {
	if named != nil {
		if err := enterable(*named); err != nil {
			return p, err
		}
	}
	p.set, err = d.takeSet()
	in := filepath.Join(d.path, string(p.set))
	p.Dir, p.Home, p.Tmp = filepath.Join(in, runDir), filepath.Join(in, homeDir), filepath.Join(in, tmpDir)
	if named != nil {
		p.Dir = *named
	}
	return p, err
}

// Leave releases the directories of an execution, whose processes have ended.
func (d *Directories) Leave(id hodei.ExecutionID, p Place) error {
	if p.set == "" {
		return nil
	}
	return d.leaveSet(id, p.set)
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

// RemoveTree removes a directory in root, including the read-only directories
// that package managers create.
func RemoveTree(root *os.Root, name string) error {
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
