package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
	"github.com/hodei-jobs/hodei/internal/seal"
	"github.com/hodei-jobs/hodei/internal/system"
	"github.com/hodei-jobs/hodei/postgres"
	"github.com/hodei-jobs/hodei/services/access"
	"github.com/hodei-jobs/hodei/services/orchestrator"
	"github.com/hodei-jobs/hodei/services/scheduler"
	"github.com/hodei-jobs/hodei/services/scheduler/plan"
	"github.com/hodei-jobs/hodei/services/workermanager"
	"github.com/hodei-jobs/hodei/worker"
)

// roleFlags are the flags of every role.
type roleFlags struct {
	nats                       natsFlags
	database, logLevel, health string
	secretsKey, calloutKeys    string
	replicas                   int
	streamMiB                  int64
	lostAfter                  time.Duration
	retention                  retentionFlags
	audit                      auditFlag
	artifacts                  artifactFlags
	notify                     notifyFlags
}

func (f *roleFlags) add(flags *pflag.FlagSet) {
	f.nats.add(flags, nats.DefaultURL, "URL of NATS")
	flags.StringVar(&f.logLevel, "log-level", "info", "debug, info, warn or error")
	addHealth(flags, &f.health)
}

// addHealth adds the flag of every process that runs roles.
func addHealth(flags *pflag.FlagSet, addr *string) {
	flags.StringVar(addr, "health-addr", "", "address that serves /healthz, /readyz and /metrics of this process, as 127.0.0.1:9090 (default none)")
}

func addSecretsKey(flags *pflag.FlagSet, path *string, standard string) {
	flags.StringVar(path, "secrets-key", "", "file with the keys that encrypt secrets, one a line in base64; the first encrypts, all decrypt "+standard)
}

func (f *roleFlags) addDatabase(flags *pflag.FlagSet) {
	flags.StringVar(&f.database, "database-url", "", "URL of Postgres, such as postgres://user@host/database (required)")
	cmdline.Secret(flags, "database-url")
}

// errNoDatabase is the error of a service that is started without a database.
var errNoDatabase = errors.New("--database-url or --database-url-file (HODEI_DATABASE_URL, HODEI_DATABASE_URL_FILE) is required")

// config returns the configuration of a system with connections but no roles.
func (f *roleFlags) config() (system.Config, error) {
	log, err := newLog(f.logLevel)
	return system.Config{
		Connect:     func(name string) (*nats.Conn, error) { return f.nats.connect(name, log) },
		DatabaseURL: f.database, Version: cmdline.Version(), Log: log, HealthAddr: f.health,
	}, err
}

// schedulerFlags are how a scheduler orders the queue and chooses workers.
type schedulerFlags struct {
	ageing   time.Duration
	maxQueue int
	weights  plan.Weights
}

func (f *schedulerFlags) add(flags *pflag.FlagSet) {
	flags.DurationVar(&f.ageing, "priority-ageing", 10*time.Minute, "waiting time that raises the priority by one level; 0: never")
	flags.IntVar(&f.maxQueue, "max-queue", 100_000, "limit of waiting executions; more are refused")
	flags.Float64Var(&f.weights.Load, "weight-load", plan.DefaultWeights.Load, "weight of a worker's free slots; only the ratio of the weights matters")
	flags.Float64Var(&f.weights.Latency, "weight-latency", plan.DefaultWeights.Latency, "weight of a worker's ack latency")
	flags.Float64Var(&f.weights.Success, "weight-success", plan.DefaultWeights.Success, "weight of a worker's success rate: it was not lost and could start its executions")
}

func (f *schedulerFlags) config() (*scheduler.Config, error) {
	w := f.weights
	switch {
	case w.Load < 0 || w.Latency < 0 || w.Success < 0 || w == plan.Weights{}:
		return nil, cmdline.Usagef("--weight-load, --weight-latency and --weight-success must not be negative, nor all 0")
	case f.maxQueue < 1:
		return nil, cmdline.Usagef("--max-queue must be at least 1")
	case f.ageing < 0:
		return nil, cmdline.Usagef("--priority-ageing must not be negative")
	case f.ageing == 0:
		return &scheduler.Config{Weights: w, MaxQueue: f.maxQueue, Ageing: -1}, nil
	}
	return &scheduler.Config{Weights: w, MaxQueue: f.maxQueue, Ageing: f.ageing}, nil
}

// newRole returns the command of one role, except the worker.
func newRole(name string) *cobra.Command {
	f, sched, front := &roleFlags{}, &schedulerFlags{}, &edgeFlags{}
	about := map[string]string{
		"orchestrator":   "Pipelines, jobs and the creation of executions",
		"scheduler":      "The queue and the choice of worker",
		"worker-manager": "Workers, assignment, the end of executions and their logs",
		"access":         "Tokens, sessions and the audit log: who may do what, and who did",
		"artifacts":      "The files that jobs leave",
		"edge":           "HTTP: REST and server-sent events on three ports",
	}[name]
	cmd := &cobra.Command{
		Use: name, GroupID: "roles", Args: cobra.NoArgs, Short: "Server component: " + about,
		Long:    about + ".\n\nStart any number of instances; they share the work.",
		Example: fmt.Sprintf("  hodei %s --nats nats://nats.internal:4222", name),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if name != "edge" && f.database == "" {
				return cmdline.Usagef("%w", errNoDatabase)
			}
			cfg, err := f.config()
			if err != nil {
				return err
			}
			switch name {
			case "orchestrator":
				cfg.Orchestrator = &orchestrator.Config{}
			case "scheduler":
				if cfg.Scheduler, err = sched.config(); err != nil {
					return err
				}
			case "worker-manager":
				cfg.Manager = &workermanager.Config{LostAfter: f.lostAfter}
				if f.secretsKey != "" {
					if cfg.Manager.Secrets, err = seal.Load(f.secretsKey); err != nil {
						return err
					}
				}
				if err := errors.Join(f.retention.set(cfg.Manager), f.notify.set(cfg.Manager)); err != nil {
					return err
				}
				cfg.Manager.Storage.Replicas, cfg.Manager.Storage.MaxBytes = f.replicas, f.streamMiB<<20
			case "access":
				cfg.Access = f.audit.config()
				if f.calloutKeys != "" {
					if cfg.Access.Callout, err = access.LoadCalloutKeys(f.calloutKeys); err != nil {
						return err
					}
				}
			case "artifacts":
				if cfg.Artifacts, err = f.artifacts.config(cmd.Context(), ""); err != nil {
					return err
				}
			case "edge":
				if cfg.Edge, err = front.config(cfg.Log); err != nil {
					return err
				}
			}
			return system.Run(cmd.Context(), cfg, func(s *system.System) { sayReady(cmd, name, s, cfg.Edge != nil) })
		},
	}
	f.add(cmd.Flags())
	switch name {
	case "access":
		f.audit.add(cmd.Flags())
		cmd.Flags().StringVar(&f.calloutKeys, "callout-keys", "", "file with the keys with which it decides who may connect to NATS, as hodei setup writes it (default none: nats.conf decides)")
		f.addDatabase(cmd.Flags())
	case "artifacts":
		f.artifacts.add(cmd.Flags(), "required")
		f.addDatabase(cmd.Flags())
	case "edge":
		front.add(cmd.Flags())
	case "scheduler":
		sched.add(cmd.Flags())
		f.addDatabase(cmd.Flags())
	case "worker-manager":
		cmd.Flags().IntVar(&f.replicas, "replicas", 1, "replicas of the streams, in a NATS cluster")
		cmd.Flags().Int64Var(&f.streamMiB, "stream-limit", 3072, "storage limit of the streams in NATS, in MiB: two thirds logs, one third events")
		f.retention.add(cmd.Flags())
		f.notify.add(cmd.Flags())
		addSecretsKey(cmd.Flags(), &f.secretsKey, "(default none: no secrets)")
		cmd.Flags().DurationVar(&f.lostAfter, "lost-after", 45*time.Second, "silence after which a worker is declared lost")
		fallthrough
	default:
		f.addDatabase(cmd.Flags())
	}
	return cmd
}

func sayReady(cmd *cobra.Command, name string, s *system.System, http bool) {
	fmt.Fprintf(cmd.ErrOrStderr(), "ready %s", name)
	if http {
		for _, addr := range s.HTTPAddrs() {
			fmt.Fprintf(cmd.ErrOrStderr(), " %s://%s", s.HTTPScheme(), addr)
		}
	}
	for _, id := range s.WorkerIDs() {
		fmt.Fprintf(cmd.ErrOrStderr(), " %s", id)
	}
	fmt.Fprintln(cmd.ErrOrStderr())
}

// workerFlags describe a worker, for `up` and for `worker`.
type workerFlags struct {
	kind     string
	capacity int
	labels   map[string]string
	alone    bool
	freeMiB  int64
	logLimit cmdline.ByteSize
}

func (f *workerFlags) add(flags *pflag.FlagSet, prefix string) {
	flags.StringVar(&f.kind, prefix+"type", "shell", "type of the worker, which jobs can require")
	flags.IntVar(&f.capacity, prefix+"capacity", 0, "slots: executions at a time (default: four per core)")
	flags.BoolVar(&f.alone, prefix+"dedicated", false, "accept only executions that require the type of the worker")
	name := "label"
	if prefix != "" {
		name = prefix + "label"
	}
	flags.StringToStringVar(&f.labels, name, nil, "label that jobs can require, such as zone=a; repeatable")
	flags.Int64Var(&f.freeMiB, "min-free", 0, "free disk space, in MiB, below which new work is refused; -1 never refuses (default 256, or a tenth of a smaller disk)")
	f.logLimit = worker.DefaultLogLimit
	flags.Var(&f.logLimit, "log-limit", "limit of recorded output of an execution, such as 100MiB; the command continues beyond it")
}

// minFree is in bytes.
func (f *workerFlags) minFree() int64 { return f.freeMiB << 20 }

// config returns a worker that keeps its state in dir.
func (f *workerFlags) config(name, dir string) (worker.Config, error) {
	exe, err := os.Executable()
	if err != nil {
		return worker.Config{}, fmt.Errorf("find the reaper: %w", err)
	}
	if f.capacity < 0 {
		return worker.Config{}, cmdline.Usagef("capacity must not be negative")
	}
	return worker.Config{
		Name: name, Type: f.kind, Slots: slots(f.capacity), Labels: f.labels, Dedicated: f.alone, StateDir: dir, MinFree: f.minFree(),
		LogLimit: int64(f.logLimit),
		Reaper:   []string{exe, "reaper"},
	}, nil
}

func newWorker() *cobra.Command {
	f, w := &roleFlags{}, &workerFlags{}
	var dir, name, id, join string
	cmd := &cobra.Command{
		Use: "worker", GroupID: "roles", Args: cmdline.KnownVerb,
		Short: "Run a worker on this machine; the sub-commands manage all workers",
		Long: `Run a worker on this machine. It needs only a connection to NATS.

On the first SIGTERM or Ctrl-C it drains: it accepts nothing new and exits when
its executions have ended. On the second it kills its executions and exits.

With --join-file, and a token of hodei token create --role worker, it joins a NATS with
access control: it makes a key of its own in its state directory, with which it connects
from then on.

The sub-commands list and control the workers of the system.`,
		Example: "  hodei worker --nats nats://nats.internal:4222 --type rust --capacity 4 --label zone=a\n" +
			"  hodei worker --nats tls://nats.internal:4222 --join-file join-token\n" +
			"  hodei worker ls\n  hodei worker drain builder-1",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := f.config()
			if err != nil {
				return err
			}
			if dir == "" {
				dir = filepath.Join(defaultDataDir(), "worker")
			}
			one, err := w.config(name, dir)
			if err != nil {
				return err
			}
			own, err := f.nats.join(dir, strings.TrimSpace(join))
			if err != nil {
				return err
			}
			one.Reaper = append(one.Reaper, f.nats.files()...)
			if own != nil {
				if id != "" && id != own.id.String() {
					return cmdline.Usagef("--id: the key in %s is that of %s", dir, own.id)
				}
				one.ID = &own.id
				cfg.Connect = func(name string) (*nats.Conn, error) { return own.connect(cmd.Context(), &f.nats, name, cfg.Log) }
			} else if id != "" {
				chosen, err := workerID(id)
				if err != nil {
					return err
				}
				one.ID = &chosen
			}
			cfg.Workers = []worker.Config{one}
			cfg.Terminate = secondSignal(cmd.Context())
			return system.Run(cmd.Context(), cfg, func(s *system.System) { sayReady(cmd, "worker", s, false) })
		},
	}
	f.add(cmd.Flags())
	w.add(cmd.Flags(), "")
	cmd.Flags().StringVar(&dir, "state-dir", "", "private directory of this worker (default ~/.local/share/hodei/worker)")
	cmd.Flags().StringVar(&name, "name", hostname(), "display name")
	cmd.Flags().StringVar(&join, "join", "", "token with which the worker joins a NATS with access control (--join-file, HODEI_JOIN)")
	cmdline.Secret(cmd.Flags(), "join")
	cmd.Flags().StringVar(&id, "id", "", "id of this worker, where its user of NATS may speak for this id alone (default the one in --state-dir, or a new one)")
	return cmd
}

// secondSignal returns a channel that is closed by a signal after ctx is done,
// which the first signal ended.
func secondSignal(ctx context.Context) <-chan struct{} {
	second := make(chan struct{})
	signals := make(chan os.Signal, 2)
	context.AfterFunc(ctx, func() {
		signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
		<-signals
		close(second)
	})
	return second
}

func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "worker"
	}
	return name
}

func newMigrate() *cobra.Command {
	f := &roleFlags{}
	cmd := &cobra.Command{
		Use: "migrate", GroupID: "roles", Args: cobra.NoArgs, Short: "Migrate the schema of Postgres",
		Long:    "Migrate the schema of Postgres. Services also do it when they start.",
		Example: "  hodei migrate --database-url postgres://hodei@db/hodei",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.database == "" {
				return cmdline.Usagef("%w", errNoDatabase)
			}
			applied, err := postgres.Migrate(cmd.Context(), f.database)
			if err == nil {
				fmt.Fprintf(cmd.ErrOrStderr(), "%d migrations applied\n", len(applied))
			}
			return err
		},
	}
	f.addDatabase(cmd.Flags())
	return cmd
}

// newReaper returns the hidden command that a worker starts as its reaper.
func newReaper() *cobra.Command {
	f := &natsFlags{}
	cmd := &cobra.Command{
		Use: "reaper", Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			log, err := newLog("warn")
			if err != nil {
				return err
			}
			opts, err := f.Options()
			if err != nil {
				return err
			}
			return worker.Reap(context.WithoutCancel(cmd.Context()), os.Stdin, log, opts...)
		},
	}
	f.addFiles(cmd.Flags())
	return cmd
}

// slots returns a worker's capacity: four per core by default, because commands
// mostly wait.
func slots(capacity int) int {
	if capacity == 0 {
		return 4 * runtime.NumCPU()
	}
	return capacity
}
