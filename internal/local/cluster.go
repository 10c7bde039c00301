package local

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/disk"
)

// cluster is a Postgres data directory, data/ in dir, with its socket and the
// binaries that serve it.
type cluster struct {
	dir    string
	socket string // a directory
	bin    binaries
	as     account
	unsafe bool
	// handed is dir, open, for a child that may not pass through its parents.
	handed *os.File
}

const (
	superuser = "hodei"
	port      = "5432" // of no network, but it is in the socket's name
	// longestSocket is the limit of sun_path, less its terminating zero; it is
	// 103 on macOS.
	longestSocket = 103
	// handedDir is what a child calls the directory that it is handed.
	handedDir = "/proc/self/fd/3"
)

// openCluster finds out how to run the cluster in dir, which the caller has
// locked. Nothing is started.
func openCluster(dir string, unsafe bool) (*cluster, error) {
	c := &cluster{dir: dir, unsafe: unsafe}
	var err error
	if c.as, err = accountFor(dir); err != nil {
		return nil, err
	}
	major, err := c.major()
	if err != nil {
		return nil, err
	}
	if c.bin, err = findBinaries(major); err != nil {
		return nil, err
	}
	if err := c.as.own(dir); err != nil {
		return nil, err
	}
	if err := c.makeSocketDir(); err != nil {
		return nil, err
	}
	if c.as.credential != nil && runtime.GOOS == "linux" {
		c.handed, err = os.Open(dir)
	}
	return c, err
}

// close forgets the cluster; its data stays.
func (c *cluster) close() {
	if c.handed != nil {
		c.handed.Close()
	}
	if !strings.HasPrefix(c.socket, c.dir) {
		os.Remove(c.socket)
	}
}

// makeSocketDir puts the socket beside the data, or in a short temporary
// directory where that makes too long a name.
func (c *cluster) makeSocketDir() (err error) {
	c.socket = filepath.Join(c.dir, "socket")
	if len(c.socket)+len("/.s.PGSQL."+port) > longestSocket {
		if c.socket, err = os.MkdirTemp("/tmp", "hodei-pg-"); err != nil {
			return err
		}
	}
	return c.as.own(c.socket)
}

func (c *cluster) url() string {
	query := url.Values{"host": {c.socket}, "port": {port}, "user": {superuser}}
	return "postgres:///postgres?" + query.Encode()
}

// major is the version that made the data, 0 before there is any.
func (c *cluster) major() (int, error) {
	text, err := os.ReadFile(filepath.Join(c.dir, "data", "PG_VERSION"))
	if os.IsNotExist(err) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	major, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0, fmt.Errorf("%s/data/PG_VERSION does not hold a version: %s", c.dir, c.remedy(0))
	}
	return major, nil
}

// command runs one of the binaries as the account. Such a child is killed with
// the thread that starts it: see Postgres.supervise.
func (c *cluster) command(ctx context.Context, onDeath syscall.Signal, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(c.bin.dir, name), args...)
	cmd.SysProcAttr = childAttr(c.as.credential, onDeath)
	cmd.Dir = "/"
	// Nothing of ours: PGPORT, PGDATA and the like would change what it does.
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
	if c.handed != nil {
		cmd.ExtraFiles = []*os.File{c.handed}
	}
	return cmd
}

// path is a name under dir as the child can reach it. A user that root becomes
// may often not pass through the parents (/root, a directory of mktemp), so
// that child is handed the directory open and goes in by the descriptor.
func (c *cluster) path(name string) string {
	if c.handed != nil {
		return filepath.Join(handedDir, name)
	}
	return filepath.Join(c.dir, name)
}

// initialize makes the data directory unless there is one. It is made under
// another name first, so that a half-made one is never taken for whole.
func (c *cluster) initialize(ctx context.Context) error {
	data, fresh := filepath.Join(c.dir, "data"), filepath.Join(c.dir, "data.new")
	if _, err := os.Stat(data); err == nil || !os.IsNotExist(err) {
		return err
	}
	if err := os.RemoveAll(fresh); err != nil {
		return err
	}
	args := []string{"-D", c.path("data.new"), "--username=" + superuser, "--auth=trust", "--encoding=UTF8", "--no-locale"}
	if c.unsafe {
		args = append(args, "--no-sync")
	}
	cmd := c.command(ctx, syscall.SIGKILL, "initdb", args...)
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s: %s", err, c.readable(cause(out)), c.remedy(newData))
	}
	return os.Rename(fresh, data)
}

// cause is the first error that initdb printed. After it come those that follow from it
// and lines about the removal of the directory.
func cause(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	for _, line := range lines {
		if strings.Contains(line, "error:") || strings.Contains(line, "FATAL:") || strings.Contains(line, "PANIC:") {
			return strings.TrimSpace(line)
		}
	}
	return lines[len(lines)-1]
}

// Postgres needs so many bytes for new data, and to start with what there is.
const (
	newData = 64 << 20
	oldData = 32 << 20
)

// remedy is what to do when Postgres does not start, which needs so many bytes.
func (c *cluster) remedy(needs int64) string {
	for _, s := range disk.NewGuard(0, disk.Store{Dir: c.dir}).Spaces() {
		if s.Free < needs {
			return fmt.Sprintf("its disk has %s free, and Postgres needs at least %s: free some space", disk.Size(s.Free), disk.Size(needs))
		}
	}
	if owner := c.as.uid(); c.owner() >= 0 && c.owner() != owner {
		return fmt.Sprintf("it belongs to user %d, and Postgres runs as user %d: chown -R %d %s", c.owner(), owner, owner, c.dir)
	}
	return fmt.Sprintf("if the data is damaged, restore %s from a backup, or move it away to start with an empty record", c.dir)
}

// owner is the user that the data belongs to, -1 where there is none.
func (c *cluster) owner() int {
	info, err := os.Stat(filepath.Join(c.dir, "data"))
	if err != nil {
		return -1
	}
	return int(info.Sys().(*syscall.Stat_t).Uid)
}

// unusable is the error of a server that ended when it was started, again and again.
func (c *cluster) unusable(err error) error {
	if errors.As(err, new(*hodei.Error)) {
		return err // it contains what to do
	}
	return fmt.Errorf("%s: %s", c.readable(err.Error()), c.remedy(oldData))
}

// readable replaces the way by which a child reaches dir.
func (c *cluster) readable(text string) string {
	return strings.ReplaceAll(text, handedDir, c.dir)
}

// settings is the command line of the postmaster. What is set here wins over
// postgresql.conf, the rest is there for people to change.
func (c *cluster) settings() []string {
	socket := c.socket
	if strings.HasPrefix(socket, c.dir) {
		socket = c.path("socket")
	}
	set := []string{
		"listen_addresses=", "unix_socket_directories=" + socket, "port=" + port,
		"max_connections=200", "shared_buffers=32MB",
		"logging_collector=off", "log_destination=stderr", "log_line_prefix=",
	}
	if c.unsafe {
		set = append(set, "fsync=off", "synchronous_commit=off", "full_page_writes=off")
	} else {
		set = append(set, "fsync=on", "synchronous_commit=on", "full_page_writes=on")
	}
	args := []string{"-D", c.path("data")}
	for _, s := range set {
		args = append(args, "-c", s)
	}
	return args
}
