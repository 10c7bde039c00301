//go:build linux

package test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/local"
)

// lostAfter is how long a worker may be silent, short enough for losses to
// settle within a run.
const lostAfter = 10 * time.Second

// natsRoom is the storage limit of a single NATS server, in bytes.
const natsRoom = 128 << 20

// fleetOf are the workers: small, and all different.
var fleetOf = []struct {
	kind     string
	capacity int
	zone     string
}{{"a", 2, "x"}, {"a", 3, "y"}, {"b", 2, "y"}, {"b", 4, "x"}}

// arena is everything in a chaos run, each part a separate process: NATS,
// Postgres, two of each service, two edges and four workers. Each has its own
// links to its servers.
type arena struct {
	t       *testing.T
	ctx     context.Context // of the processes
	dir     string          // contains everything; kept when the test fails
	binary  string          // the hodei of its processes
	logs    string          // output of the processes
	began   time.Time
	units   []*unit
	servers []*unit // of NATS
	pg      *unit
	edges   []string // base URLs of the first port of each edge
	natsURL string   // of every server, without a link
	pgURL   string   // without a link
	db      *pgxpool.Pool
	disks   []fillable // empty if the process may not mount
	// workerIDs are those of the fleet, in its order.
	workerIDs []hodei.WorkerID

	stopped sync.Once

	mu     sync.Mutex
	events []incident
	flaws  []flaw
}

// newArena starts everything and returns when it is ready.
func newArena(t *testing.T, servers int, program string) *arena {
	t.Helper()
	dir, err := os.MkdirTemp("", "hodei-chaos-")
	require.NoError(t, err)
	require.NoError(t, os.Chmod(dir, 0o755)) // Postgres runs as another user
	ctx, cancel := context.WithCancel(context.Background())
	w := &arena{t: t, ctx: ctx, dir: dir, binary: program, logs: filepath.Join(dir, "logs"), began: time.Now()}
	t.Cleanup(func() {
		cancel()
		if t.Failed() || *chaosKeep {
			t.Logf("all output and data is in %s", dir)
		} else {
			require.NoError(t, os.RemoveAll(dir))
		}
	})
	require.NoError(t, os.Mkdir(w.logs, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "begin.sh"), []byte(strings.ReplaceAll(beginning, "$CHAOS", dir)), 0o644))
	w.addNATS(servers)
	w.addPostgres()
	w.addRoles(servers)
	t.Cleanup(w.stop) // before the links are closed
	for _, u := range append(w.of("nats"), w.pg) {
		go u.run()
	}
	w.db = w.openRecord()
	nc := w.connect()
	eventually(t, "NATS answers", time.Minute, nc.IsConnected)
	for _, u := range w.units {
		if u.role != "nats" && u.role != "postgres" {
			go u.run()
		}
	}
	w.awaitReady(90 * time.Second)
	return w
}

func (w *arena) add(role, name string, command func() (*exec.Cmd, error)) *unit {
	u := &unit{w: w, role: role, name: name, command: command, gone: make(chan struct{})}
	w.units = append(w.units, u)
	return u
}

// addNATS adds servers that start from the shipped nats.conf, as a cluster if
// there are several.
func (w *arena) addNATS(n int) {
	program := natsProgram(w.t)
	shipped, err := os.ReadFile("../nats.conf")
	require.NoError(w.t, err)
	conf := filepath.Join(w.dir, "nats.conf")
	room := "max_file: 8GB"
	require.Contains(w.t, string(shipped), room)
	if n == 1 { // so that it can be filled; a server of a cluster would disable JetStream
		shipped = []byte(strings.Replace(string(shipped), room, fmt.Sprintf("max_file: %d", natsRoom), 1))
	}
	require.NoError(w.t, os.WriteFile(conf, append(shipped, w.addUsers()...), 0o644))
	var clients, routes []string
	for range n {
		clients = append(clients, fmt.Sprintf("nats://127.0.0.1:%d", freePort(w.t)))
		routes = append(routes, fmt.Sprintf("nats://127.0.0.1:%d", freePort(w.t)))
	}
	for i := range n {
		name := fmt.Sprintf("nats-%d", i+1)
		args := []string{"-c", conf, "-a", "127.0.0.1", "-p", portOf(clients[i]), "-n", name}
		if n > 1 {
			args = append(args, "--cluster_name", "hodei", "--cluster", routes[i], "--routes", strings.Join(routes, ","), "--no_advertise")
		}
		home := filepath.Join(w.dir, name) // where nats.conf puts the store
		require.NoError(w.t, os.Mkdir(home, 0o755))
		ownDisk := func(*unit) {}
		if n == 1 { // a server of a cluster without space disables JetStream
			ownDisk = w.mount(home)
		}
		u := w.add("nats", name, func() (*exec.Cmd, error) {
			cmd := exec.Command(program, args...)
			cmd.Dir = home
			return cmd, nil
		})
		w.servers = append(w.servers, u)
		ownDisk(u)
	}
	w.natsURL = strings.Join(clients, ",")
}

func portOf(url string) string { return url[strings.LastIndexByte(url, ':')+1:] }

// addPostgres creates a cluster and adds a server of it that listens on TCP, so
// that a link can be in between. Commits do not wait for the disk, because the
// process will crash and not the machine.
func (w *arena) addPostgres() {
	home := filepath.Join(w.dir, "postgres")
	require.NoError(w.t, os.Mkdir(home, 0o755))
	ownDisk := w.mount(home)
	cluster, err := local.StartPostgres(w.ctx, local.PostgresConfig{Dir: home})
	require.NoError(w.t, err)
	cluster.Stop()
	data, port := filepath.Join(home, "data"), freePort(w.t)
	w.pg = w.add("postgres", "postgres", func() (*exec.Cmd, error) {
		return postmaster(data, port, "max_connections=300", "log_line_prefix=%m ")
	})
	ownDisk(w.pg)
	// The pid of a dead postmaster may have been reused.
	w.pg.clear = func() { _ = os.Remove(filepath.Join(data, "postmaster.pid")) }
	w.pgURL = fmt.Sprintf("postgres://hodei@127.0.0.1:%d/postgres", port)
}

// postmaster returns the server of a cluster that local.Postgres has served. It listens on TCP
// alone, and its commits do not wait for the disk.
func postmaster(data string, port int, settings ...string) (*exec.Cmd, error) {
	command, err := os.ReadFile(filepath.Join(data, "postmaster.opts")) // the program that served it
	if err != nil {
		return nil, err
	}
	program, _, _ := strings.Cut(string(command), " ")
	info, err := os.Stat(data)
	if err != nil {
		return nil, err
	}
	at, err := os.Open(data) // its user may have no access to this directory
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(program, "-D", "/proc/self/fd/3", "-c", "listen_addresses=127.0.0.1", "-c", fmt.Sprintf("port=%d", port),
		"-c", "unix_socket_directories=", "-c", "fsync=off", "-c", "shared_buffers=32MB", "-c", "logging_collector=off")
	for _, s := range settings {
		cmd.Args = append(cmd.Args, "-c", s)
	}
	cmd.ExtraFiles, cmd.Dir = []*os.File{at}, "/"
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
	if os.Geteuid() == 0 {
		owner := info.Sys().(*syscall.Stat_t)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: owner.Uid, Gid: owner.Gid}}
	}
	return cmd, nil
}

// addRoles adds two of each service, two edges, and the workers.
func (w *arena) addRoles(servers int) {
	for i := range 2 {
		for _, role := range []string{"worker-manager", "orchestrator", "scheduler", "artifacts"} {
			way := newLink(w.t, "127.0.0.1:"+portOf(strings.TrimSuffix(w.pgURL, "/postgres")))
			args := []string{role, "--database-url", fmt.Sprintf("postgres://hodei@%s/postgres", way.addr)}
			if role == "worker-manager" {
				args = append(args, "--lost-after", lostAfter.String(), "--replicas", fmt.Sprint(servers), "--secrets-key", w.secretsKey(), "--notify-allow", "127.0.0.0/8")
				if servers == 1 { // otherwise NATS could not be filled
					args = append(args, "--stream-limit", fmt.Sprint(natsRoom>>21))
				}
			}
			if role == "artifacts" {
				args = append(args, "--artifacts", w.artifactsDir())
			}
			w.addRole(role, fmt.Sprintf("%s-%d", role, i+1), role, nil, args...).pg = way
		}
		base := freePorts(w.t, 3)
		w.addRole("edge", fmt.Sprintf("edge-%d", i+1), "edge", nil, "edge", "--port-base", fmt.Sprint(base))
		w.edges = append(w.edges, fmt.Sprintf("http://127.0.0.1:%d", base))
	}
	for i, f := range fleetOf {
		name := fmt.Sprintf("worker-%d", i+1)
		home := filepath.Join(w.dir, name)
		require.NoError(w.t, os.Mkdir(home, 0o755))
		ownDisk := w.mount(home)
		require.NoError(w.t, os.WriteFile(filepath.Join(home, "capacity"), []byte(fmt.Sprintln(f.capacity)), 0o644))
		id := w.workerIDs[i].String()
		u := w.addRole("worker", name, id, []string{"HOME=" + home}, "worker", "--id", id, "--name", name, "--type", f.kind,
			"--capacity", fmt.Sprint(f.capacity), "--label", "zone="+f.zone, "--state-dir", filepath.Join(home, "state"))
		u.home = home
		ownDisk(u)
	}
}

// addRole adds a hodei with its own links to each NATS server, where it is the given user.
func (w *arena) addRole(role, name, user string, env []string, args ...string) *unit {
	var urls []string
	var ways []*link
	for url := range strings.SplitSeq(w.natsURL, ",") {
		l := newLink(w.t, strings.TrimPrefix(url, "nats://"))
		ways, urls = append(ways, l), append(urls, "nats://"+l.addr)
	}
	args = append(args, "--nats", strings.Join(urls, ","), "--nats-nkey", w.key(user))
	u := w.add(role, name, func() (*exec.Cmd, error) {
		cmd := exec.Command(w.binary, args...)
		cmd.Env = append(append(os.Environ(), "GORACE=atexit_sleep_ms=0"), env...)
		return cmd, nil
	})
	u.nats = ways
	return u
}

// openRecord connects to Postgres directly, for the checks of the test.
func (w *arena) openRecord() *pgxpool.Pool {
	cfg, err := pgxpool.ParseConfig(w.pgURL)
	require.NoError(w.t, err)
	cfg.MaxConns = 8
	db, err := pgxpool.NewWithConfig(w.ctx, cfg)
	require.NoError(w.t, err)
	w.t.Cleanup(db.Close)
	eventually(w.t, "Postgres answers", time.Minute, func() bool { return db.Ping(w.ctx) == nil })
	return db
}

// awaitReady returns when both edges report that everything is ready and every
// worker is registered.
func (w *arena) awaitReady(within time.Duration) {
	w.t.Helper()
	eventually(w.t, "the system is ready", within, func() bool {
		for _, edge := range w.edges {
			if status, _, err := w.try("GET", edge+"/readyz", "", nil); err != nil || status != 200 {
				return false
			}
		}
		free := 0
		_, list, err := w.try("GET", w.edges[0]+"/workers?limit=1000", "", nil)
		if err != nil {
			return false
		}
		items, _ := list["items"].([]any)
		for _, item := range items {
			if at := item.(object); at["status"] == "AVAILABLE" && at["capacity"] == at["total_capacity"] {
				free++
			}
		}
		return free == len(fleetOf)
	})
}

// connect connects to NATS without a link.
func (w *arena) connect() *nats.Conn {
	nc, err := nats.Connect(w.natsURL, nats.MaxReconnects(-1), nats.ReconnectWait(100*time.Millisecond), nats.RetryOnFailedConnect(true))
	require.NoError(w.t, err)
	w.t.Cleanup(nc.Close)
	return nc
}

// stop ends all processes, dependents first.
func (w *arena) stop() {
	w.stopped.Do(func() {
		for _, roles := range []string{"worker", "edge", "orchestrator scheduler worker-manager", "nats postgres"} {
			var ending sync.WaitGroup
			for _, u := range w.units {
				if strings.Contains(roles, u.role) {
					ending.Go(u.end)
				}
			}
			ending.Wait()
		}
	})
}
