package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
	"github.com/hodei-jobs/hodei/internal/disk"
	"github.com/hodei-jobs/hodei/internal/local"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/internal/seal"
	"github.com/hodei-jobs/hodei/internal/system"
	"github.com/hodei-jobs/hodei/services/orchestrator"
	"github.com/hodei-jobs/hodei/services/workermanager"
)

// upFlags are the flags of `hodei up`.
type upFlags struct {
	dataDir, database, logLevel, health string
	nats                                natsFlags
	secretsKey                          string
	ephemeral                           bool
	natsPort, workers                   int
	edge                                edgeFlags
	worker                              workerFlags
	scheduler                           schedulerFlags
	retention                           retentionFlags
	audit                               auditFlag
	artifacts                           artifactFlags
	notify                              notifyFlags
}

func newUp() *cobra.Command {
	f := &upFlags{}
	cmd := &cobra.Command{
		Use: "up", GroupID: "roles", Args: cobra.NoArgs,
		Short: "Start everything on this machine",
		Long: `Start everything on this machine: an embedded NATS, a Postgres of its own from
the binaries it finds, all services, the HTTP edge and a worker. With --nats and
--database-url the same roles use yours.`,
		Example: `  hodei up
  hodei up --ephemeral --port-base 9080 --nats-port 0
  hodei up --nats nats://nats.internal:4222 --database-url postgres://hodei@db/hodei`,
		RunE: func(cmd *cobra.Command, _ []string) error { return up(cmd.Context(), f, cmd.ErrOrStderr()) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.dataDir, "data-dir", "", "data directory (default ~/.local/share/hodei)")
	flags.BoolVar(&f.ephemeral, "ephemeral", false, "use a temporary directory and delete it at the end")
	f.edge.add(flags)
	flags.IntVar(&f.natsPort, "nats-port", 4222, "port of the embedded NATS; 0 chooses a free one")
	flags.IntVar(&f.workers, "workers", 1, "number of workers")
	f.nats.add(flags, "", "use this NATS instead of the embedded one")
	flags.StringVar(&f.database, "database-url", "", "use this Postgres instead of the embedded one")
	flags.StringVar(&f.logLevel, "log-level", "warn", "debug, info, warn or error")
	addHealth(flags, &f.health)
	addSecretsKey(flags, &f.secretsKey, "(default secrets.key in the data directory, made at the first start)")
	cmdline.Secret(flags, "database-url")
	f.worker.add(flags, "worker-")
	f.scheduler.add(flags)
	f.retention.add(flags)
	f.audit.add(flags)
	f.artifacts.add(flags, "default in the data directory")
	f.notify.add(flags)
	cmd.MarkFlagsMutuallyExclusive("data-dir", "ephemeral")
	return cmd
}

// up starts the missing servers, then all roles, and stops them in the reverse
// order.
func up(ctx context.Context, f *upFlags, screen io.Writer) error {
	cfg, err := f.config(ctx)
	if err != nil {
		return err
	}
	dir, remove, err := f.directory()
	if err != nil {
		return err
	}
	defer remove()
	go keepModest(ctx)
	release, err := local.LockDir(dir)
	if err != nil {
		return err
	}
	defer release()
	if err := f.keepIn(ctx, dir, &cfg); err != nil {
		return err
	}
	door := &door{}
	defer door.close()
	servers, err := f.startServers(ctx, dir, cfg.Log, door)
	defer servers.stop()
	if err != nil {
		return err
	}
	cfg.Connect, cfg.DatabaseURL = servers.connect, servers.databaseURL
	if f.edge.auth {
		if err := door.open(ctx, servers.databaseURL); err != nil {
			return err
		}
	}
	cfg.Access = door.service(f.audit.config())
	return system.Run(ctx, cfg, func(s *system.System) {
		if f.edge.auth {
			f.welcomeAuth(ctx, screen, s, door, dir, servers)
			return
		}
		welcome(screen, s, rpc.Redacted(servers.natsURL), len(cfg.Workers))
	})
}

// config returns the configuration as far as the flags alone decide it, so that a usage
// error changes nothing on this machine.
func (f *upFlags) config(ctx context.Context) (system.Config, error) {
	cfg := system.Config{
		Version: cmdline.Version(), Manager: &workermanager.Config{}, KeepWorkers: true, HealthAddr: f.health,
		Terminate: ctx.Done(), // the whole system stops and does not wait for executions
	}
	var err error
	if cfg.Log, err = newLog(f.logLevel); err != nil {
		return cfg, err
	}
	if f.nats.url == "" && f.nats.Credentials != (rpc.Credentials{}) {
		return cfg, cmdline.Usagef("--nats-creds and the like are for --nats: the embedded NATS has keys of its own")
	}
	if err := f.edge.set(ctx, &cfg); err != nil {
		return cfg, err
	}
	if err := f.scheduler.set(ctx, &cfg); err != nil {
		return cfg, err
	}
	return cfg, errors.Join(f.worker.check(), f.retention.set(cfg.Manager), f.notify.setLocal(cfg.Manager, &f.edge))
}

// keepIn adds to the configuration what is kept in the data directory.
func (f *upFlags) keepIn(ctx context.Context, dir string, cfg *system.Config) (err error) {
	if cfg.Manager.Secrets, err = f.keys(dir); err != nil {
		return err
	}
	if cfg.Artifacts, err = f.artifacts.config(ctx, filepath.Join(dir, "artifacts")); err != nil {
		return err
	}
	cfg.Orchestrator = &orchestrator.Config{Disks: f.disks(dir)}
	for i := range f.workers {
		w, err := f.worker.config(numbered(hostname(), i), filepath.Join(dir, "workers", strconv.Itoa(i+1)))
		if err != nil {
			return err
		}
		w.Reaper = append(w.Reaper, f.nats.files()...)
		cfg.Workers = append(cfg.Workers, w)
	}
	return nil
}

// keys returns the keys of secrets.
func (f *upFlags) keys(dir string) (*seal.Keys, error) {
	if f.secretsKey != "" {
		return seal.Load(f.secretsKey)
	}
	return seal.LoadOrMake(filepath.Join(dir, "secrets.key"))
}

// disks returns the guard of the disks of the servers in this process.
func (f *upFlags) disks(dir string) *disk.Guard {
	var own []disk.Store
	if f.database == "" {
		own = append(own, disk.Store{Name: "Postgres", Dir: filepath.Join(dir, "postgres")})
	}
	if f.nats.url == "" {
		own = append(own, disk.Store{Name: "NATS", Dir: filepath.Join(dir, "nats")})
	}
	return disk.NewGuard(f.worker.minFree(), own...)
}

// numbered gives each worker of this machine its own name.
func numbered(name string, i int) string {
	if i == 0 {
		return name
	}
	return fmt.Sprintf("%s-%d", name, i+1)
}

// directory returns the data directory and a function that cleans it up.
func (f *upFlags) directory() (string, func(), error) {
	if f.ephemeral {
		dir, err := os.MkdirTemp("", "hodei-")
		if err != nil {
			return "", nil, err
		}
		return dir, func() { os.RemoveAll(dir) }, nil
	}
	dir := f.dataDir
	if dir == "" {
		dir = defaultDataDir()
	}
	return dir, func() {}, os.MkdirAll(dir, 0o700)
}

// defaultDataDir returns the directory for Hodei's data among the user's
// application data.
func defaultDataDir() string {
	if data := os.Getenv("XDG_DATA_HOME"); data != "" {
		return filepath.Join(data, "hodei")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		home = os.TempDir()
	}
	return filepath.Join(home, ".local", "share", "hodei")
}

// servers are NATS and Postgres, embedded or external.
type servers struct {
	nats        *local.NATS
	postgres    *local.Postgres
	connect     func(name string) (*nats.Conn, error)
	natsURL     string
	databaseURL string
}

// startServers starts both in parallel, because Postgres is slow to start.
func (f *upFlags) startServers(ctx context.Context, dir string, log *slog.Logger, door *door) (*servers, error) {
	s := &servers{natsURL: f.nats.url, databaseURL: f.database}
	var g errgroup.Group
	g.Go(func() (err error) {
		if f.nats.url != "" {
			s.connect = func(name string) (*nats.Conn, error) { return f.nats.connect(name, log) }
			return nil
		}
		cfg := local.NATSConfig{Host: f.edge.host, Port: f.natsPort, StoreDir: filepath.Join(dir, "nats"), Log: log}
		if f.edge.auth {
			if err := door.guard(&cfg); err != nil {
				return err
			}
		}
		s.nats, err = local.StartNATS(cfg)
		if err == nil {
			s.natsURL = s.nats.URL()
			s.connect = func(name string) (*nats.Conn, error) { return s.nats.Connect(name, log) }
		}
		return err
	})
	g.Go(func() (err error) {
		if f.database != "" {
			return nil
		}
		s.postgres, err = local.StartPostgres(ctx, local.PostgresConfig{Dir: filepath.Join(dir, "postgres"), Log: log})
		if err == nil {
			s.databaseURL = s.postgres.URL()
		}
		return err
	})
	return s, g.Wait()
}

func (s *servers) stop() {
	if s.nats != nil {
		s.nats.Shutdown()
	}
	if s.postgres != nil {
		s.postgres.Stop()
	}
}

// reachable are the addresses of the edge as this machine reaches them, and the URL of the
// first.
func reachable(s *system.System) (urls [3]string, base string) {
	for i, addr := range s.HTTPAddrs() {
		host, port, _ := net.SplitHostPort(addr)
		if ip, err := netip.ParseAddr(host); err == nil && ip.IsUnspecified() {
			addr = net.JoinHostPort("127.0.0.1", port)
		}
		urls[i] = (&url.URL{Scheme: s.HTTPScheme(), Host: addr}).String()
	}
	return urls, urls[0]
}

// welcome prints that the system is ready, its addresses and the first commands
// to try.
func welcome(w io.Writer, s *system.System, natsURL string, workers int) {
	addrs, base := reachable(s)
	server := ""
	if base != "http://127.0.0.1:8080" {
		server = " --server " + base
	}
	fmt.Fprintf(w, `ready

  console         %s/ui/
  orchestrator    %s
  scheduler       %s
  worker manager  %s
  nats            %s
  workers         %d

Try, in another terminal:

  hodei exec%s -- echo hello
  curl %s/api/v1/workers
  nats --server %s service ls

Ctrl-C stops everything.
`, base, base, addrs[1], addrs[2], natsURL, workers, server, base, natsURL)
}
