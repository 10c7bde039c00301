package worker

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/worker/exec/process"
)

// state is the worker's private directory, locked.
type state struct {
	dir, spool, secrets, files string
	places                     *process.Directories
	lock                       *os.File
}

// openState locks the directory and empties what an earlier incarnation left.
// The lock ends with the process.
func openState(dir string) (*state, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open state directory: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("create state directory: %w", err)
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil { // the system shows directories of processes this way
		return nil, fmt.Errorf("open state directory: %w", err)
	}
	s := &state{
		dir: dir, spool: filepath.Join(dir, "spool"), secrets: filepath.Join(dir, "secrets"), files: filepath.Join(dir, "files")}
	s.lock, err = os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock state directory: %w", err)
	}
	if err := unix.Flock(int(s.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		s.lock.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("state directory %s is in use by another worker; give this one its own with --state-dir", dir)
		}
		return nil, fmt.Errorf("lock state directory %s: %w", dir, err)
	}
	if err := s.empty(); err != nil {
		s.lock.Close()
		return nil, fmt.Errorf("empty state directory: %w", err)
	}
	return s, nil
}

// empty replaces work, spool, secrets and files with empty directories.
func (s *state) empty() error {
	root, err := os.OpenRoot(s.dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, sub := range []string{"work", "spool", "secrets", "files"} {
		if err := errors.Join(process.RemoveTree(root, sub), root.Mkdir(sub, 0o700)); err != nil {
			return err
		}
	}
	s.places, err = process.OpenDirectories(root, s.dir, "work")
	return err
}

func (s *state) close() {
	s.places.Close()
	s.lock.Close()
}

// workerID returns the worker's earlier id, nil if it had none or the file is
// invalid.
func (s *state) workerID() *hodei.WorkerID {
	text, err := os.ReadFile(s.idFile())
	if err != nil {
		return nil
	}
	var id hodei.WorkerID
	if id.UnmarshalText(text) != nil {
		return nil
	}
	return &id
}

// keepID stores the id for the next start, atomically.
func (s *state) keepID(id hodei.WorkerID) error {
	next := s.idFile() + ".next"
	if err := os.WriteFile(next, []byte(id.String()), 0o600); err != nil {
		return fmt.Errorf("keep worker id: %w", err)
	}
	if err := os.Rename(next, s.idFile()); err != nil {
		return fmt.Errorf("keep worker id: %w", err)
	}
	return nil
}

// tag returns the tag of the commands of a killed worker, "" for none.
func (s *state) tag() string {
	text, _ := os.ReadFile(s.tagFile())
	return string(text)
}

// keepTag stores the tag until the worker ends by itself, which passes "".
func (s *state) keepTag(tag string) error {
	if tag == "" {
		return os.RemoveAll(s.tagFile())
	}
	return os.WriteFile(s.tagFile(), []byte(tag), 0o600)
}

func (s *state) tagFile() string { return filepath.Join(s.dir, "tag") }

func (s *state) idFile() string { return filepath.Join(s.dir, "worker-id") }
