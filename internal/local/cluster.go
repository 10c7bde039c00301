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

// cluster is a Postgres data directory, data/ in dir, with its socket and its
// binaries.
type cluster struct {
	dir    string
	socket string // a directory
	bin    binaries
	as     account
	unsafe bool
	// handed is dir, opened, for a child that has no access to the parents of
	// dir.
	handed *os.File
}

const (
	superuser = "hodei"
	port      = "5432" // only part of the socket's name; there is no TCP port
	// longestSocket is the limit of sun_path without its terminating zero. It
	// is 103 on macOS.
	longestSocket = 103
	// handedDir is the path of the directory that a child inherits.
	handedDir = "/proc/self/fd/3"
)

// openCluster prepares the cluster in dir, which the caller has locked. It
// starts nothing.
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

// close releases the cluster. Its data stays.
func (c *cluster) close() {
	if c.handed != nil {
		c.handed.Close()
	}
	if !strings.HasPrefix(c.socket, c.dir) {
		os.Remove(c.socket)
	}
}

// makeSocketDir puts the socket beside the data, or in a short temporary
// directory if the path would be too long.
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

// major returns the version of the data, 0 if there is none.
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

// command returns a command that runs one of the binaries as the account. The
// kernel kills the child with the thread that starts it: see
// Postgres.supervise.
func (c *cluster) command(ctx context.Context, onDeath syscall.Signal, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(c.bin.dir, name), args...)
	cmd.SysProcAttr = childAttr(c.as.credential, onDeath)
	cmd.Dir = "/"
	// None of the environment: PGPORT, PGDATA and the like would change the
	// behaviour.
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
	if c.handed != nil {
		cmd.ExtraFiles = []*os.File{c.handed}
	}
	return cmd
}

// path returns the path of name under dir as the child can reach it. The user
// that root switches to often has no access to the parents (/root, a directory
// of mktemp), so that child inherits the open directory and uses its
// descriptor.
func (c *cluster) path(name string) string {
	if c.handed != nil {
		return filepath.Join(handedDir, name)
	}
	return filepath.Join(c.dir, name)
}

// initialize creates the data directory if it is missing. It is created under a
// temporary name first, so that an incomplete one is never used.
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

// cause returns the first error that initdb printed. Later lines are
// consequences, or report the removal of the directory.
func cause(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	for _, line := range lines {
		if strings.Contains(line, "error:") || strings.Contains(line, "FATAL:") || strings.Contains(line, "PANIC:") {
			return strings.TrimSpace(line)
		}
	}
	return lines[len(lines)-1]
}

// The space in bytes that Postgres needs for new data, and to start with
// existing data.
const (
	newData = 64 << 20
	oldData = 32 << 20
)

// remedy returns what the user can do if Postgres does not start; needs is the
// space in bytes that it requires.
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

// owner returns the user that owns the data, -1 if there is none.
func (c *cluster) owner() int {
	info, err := os.Stat(filepath.Join(c.dir, "data"))
	if err != nil {
		return -1
	}
	return int(info.Sys().(*syscall.Stat_t).Uid)
}

// unusable is the error of a server that repeatedly ended during its start.
func (c *cluster) unusable(err error) error {
	if errors.As(err, new(*hodei.Error)) {
		return err // contains the remedy
	}
	return fmt.Errorf("%s: %s", c.readable(err.Error()), c.remedy(oldData))
}

// readable replaces the inherited path of dir with its real one.
func (c *cluster) readable(text string) string {
	return strings.ReplaceAll(text, handedDir, c.dir)
}

// settings is the command line of the postmaster. These settings take
// precedence over postgresql.conf; users may change the rest there.
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
