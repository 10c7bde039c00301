package process

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/worker/mark"
)

// A set contains the directories of one execution. Most commands leave them
// empty, and an empty set is reused: that costs a rename, while a file system
// that does not reuse inodes at once takes up to 0.4 ms to create a directory
// after many were removed.
//
// A set is reused only after a search through the processes of the machine, one
// search for many sets: no process has the mark of its execution, and none has
// its working directory in it. A process that discarded its environment and
// changed its directory is not found; the rename removes the path that it
// knows.

// set is the name of a set's directory in work.
type set string

// The directories of a set. They are side by side, under a number: a long name
// would leave no room for the sockets that programs create in TMPDIR (108
// bytes).
const (
	runDir  = "run"
	homeDir = "home"
	tmpDir  = "tmp"
)

var setDirs = []string{homeDir, runDir, tmpDir} // in listing order

const (
	MaxSpares = 512 // limit of kept sets
	lookAfter = 256 // executions; a search takes about 2 ms
)

// spares are the sets that were left empty.
type spares struct {
	mu    sync.Mutex
	free  []set
	ended map[hodei.ExecutionID]set // no search since the execution ended
	last  int                       // the last number
}

// name returns a number that no set has had.
func (s *spares) name() set {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	return set(strconv.Itoa(s.last))
}

// takeSet returns a spare set, or creates one.
func (d *Directories) takeSet() (set, error) {
	d.spares.mu.Lock()
	if n := len(d.spares.free); n > 0 {
		taken := d.spares.free[n-1]
		d.spares.free = d.spares.free[:n-1]
		d.spares.mu.Unlock()
		return taken, nil
	}
	d.spares.mu.Unlock()
	made := d.spares.name()
	err := d.root.Mkdir(string(made), 0o700)
	for _, dir := range setDirs {
		err = errors.Join(err, d.root.Mkdir(filepath.Join(string(made), dir), 0o700))
	}
	return made, err
}

// leaveSet keeps the set of an ended execution if it is unchanged, and removes
// it otherwise.
func (d *Directories) leaveSet(id hodei.ExecutionID, left set) error {
	if !d.untouched(left) {
		return RemoveTree(d.root, string(left))
	}
	kept := d.spares.name()
	if err := d.root.Rename(string(left), string(kept)); err != nil {
		return errors.Join(err, RemoveTree(d.root, string(left)))
	}
	due, ok := d.spares.keep(id, kept)
	if !ok {
		return RemoveTree(d.root, string(kept))
	}
	return d.look(due)
}

// keep adds a set. It returns false if there are enough of them, and the sets
// to search processes for when there are many.
func (s *spares) keep(id hodei.ExecutionID, kept set) (due map[hodei.ExecutionID]set, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.free)+len(s.ended) >= MaxSpares {
		return nil, false
	}
	if s.ended == nil {
		s.ended = make(map[hodei.ExecutionID]set, lookAfter)
	}
	s.ended[id] = kept
	if len(s.ended) >= lookAfter {
		due, s.ended = s.ended, nil
	}
	return due, true
}

// look frees the sets that no process can return to, and removes the others.
func (d *Directories) look(due map[hodei.ExecutionID]set) error {
	if len(due) == 0 {
		return nil
	}
	marked, entered, known := d.occupied()
	var free []set
	var errs []error
	for id, of := range due {
		if !known || marked[id.String()] || entered[of] || !d.untouched(of) {
			errs = append(errs, RemoveTree(d.root, string(of)))
			continue
		}
		free = append(free, of)
	}
	d.spares.mu.Lock()
	defer d.spares.mu.Unlock()
	d.spares.free = append(d.spares.free, free...)
	return errors.Join(errs...)
}

// occupied returns the executions with a living process, and the sets that are
// the working directory of one; known is false if the system does not show
// processes.
func (d *Directories) occupied() (marked map[string]bool, entered map[set]bool, known bool) {
	marked, entered = map[string]bool{}, map[set]bool{}
	processes := mark.Processes()
	for _, process := range processes {
		for _, v := range mark.In(process) {
			if id, is := strings.CutPrefix(v, mark.ExecutionVariable+"="); is {
				marked[id] = true
			}
		}
		at, err := os.Readlink(process + "/cwd")
		if err != nil {
			continue // it has exited, or belongs to another user
		}
		if in, is := strings.CutPrefix(at, d.path+"/"); is {
			name, _, _ := strings.Cut(in, "/")
			entered[set(name)] = true
		}
	}
	return marked, entered, len(processes) > 0
}

// untouched reports whether a set is unchanged: three empty directories with
// their owner and mode.
func (d *Directories) untouched(of set) bool { return unchanged(int(d.dir.Fd()), string(of), setDirs) }

// unchanged reports whether a name in an open directory is a directory with the
// owner and mode of a new one that contains exactly these directories, which
// are empty. It uses system calls because it runs twice for each execution: os.Root
// takes three times as long.
func unchanged(in int, name string, dirs []string) bool {
	fd, err := unix.Openat(in, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	var info unix.Stat_t
	if unix.Fstat(fd, &info) != nil || info.Mode != unix.S_IFDIR|0o700 || int(info.Uid) != os.Geteuid() {
		return false
	}
	found, err := entries(fd)
	slices.Sort(found)
	if err != nil || !slices.Equal(found, dirs) {
		return false
	}
	return !slices.ContainsFunc(dirs, func(dir string) bool { return !unchanged(fd, dir, nil) })
}

// entries lists an open directory. It returns an error if there are many.
func entries(fd int) (names []string, err error) {
	var buf [1024]byte
	for {
		n, err := unix.ReadDirent(fd, buf[:])
		if n <= 0 || err != nil {
			return names, err
		}
		if _, _, names = unix.ParseDirent(buf[:n], -1, names); len(names) > len(setDirs) {
			return nil, unix.ENOTEMPTY
		}
	}
}
