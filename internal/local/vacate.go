package local

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/hodei-jobs/hodei"
)

const (
	// vacateTime is how long an orphaned postmaster has to write its last
	// checkpoint.
	vacateTime = 30 * time.Second
	pollEvery  = 10 * time.Millisecond
)

// vacate waits for an orphaned postmaster to end, and removes the files of one
// that was killed.
func (c *cluster) vacate(ctx context.Context) error {
	late := time.After(vacateTime)
	for {
		pid, _ := c.postmaster()
		if pid == 0 || !c.serves(pid) {
			break
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-late:
			return hodei.Errorf(hodei.Conflict, "the data in %s is in use by Postgres, process %d: stop it with kill -INT %d", c.dir, pid, pid)
		case <-time.After(pollEvery):
		}
	}
	// Postgres removes them itself, but not while the pid in them belongs to
	// another process, as happens in containers, or to a zombie.
	for _, left := range []string{
		filepath.Join(c.dir, "data", "postmaster.pid"),
		filepath.Join(c.socket, ".s.PGSQL."+port+".lock"),
	} {
		if err := os.Remove(left); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	return nil
}

// postmaster reads postmaster.pid: the process, and whether it is ready for
// connections. The process is 0 if there is no file.
func (c *cluster) postmaster() (pid int, ready bool) {
	text, err := os.ReadFile(filepath.Join(c.dir, "data", "postmaster.pid"))
	if err != nil {
		return 0, false
	}
	lines := strings.Split(string(text), "\n")
	pid, _ = strconv.Atoi(strings.TrimSpace(lines[0]))
	return pid, len(lines) > 7 && strings.TrimSpace(lines[7]) == "ready"
}

// serves reports whether the process is alive and a postmaster of this data:
// its working directory is the data directory.
func (c *cluster) serves(pid int) bool {
	if runtime.GOOS != "linux" {
		err := syscall.Kill(pid, 0)
		return err == nil || err == syscall.EPERM
	}
	at, err := os.Stat(fmt.Sprintf("/proc/%d/cwd", pid))
	if err != nil {
		return false
	}
	data, err := os.Stat(filepath.Join(c.dir, "data"))
	return err == nil && os.SameFile(at, data)
}
