package main

import (
	"context"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/nats-io/nats.go"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
	"github.com/hodei-jobs/hodei/internal/system"
	"github.com/hodei-jobs/hodei/worker"
)

// workerCommand is `hodei worker` with its flags.
type workerCommand struct {
	role                roleFlags
	worker              workerFlags
	dir, name, id, join string
}

func newWorker() *cobra.Command {
	c := &workerCommand{}
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
		RunE: func(cmd *cobra.Command, _ []string) error { return c.run(cmd) },
	}
	c.role.add(cmd.Flags())
	c.worker.add(cmd.Flags(), "")
	c.add(cmd.Flags())
	return cmd
}

func (c *workerCommand) add(flags *pflag.FlagSet) {
	flags.StringVar(&c.dir, "state-dir", "", "private directory of this worker (default ~/.local/share/hodei/worker)")
	flags.StringVar(&c.name, "name", hostname(), "display name")
	flags.StringVar(&c.join, "join", "", "token with which the worker joins a NATS with access control (--join-file, HODEI_JOIN)")
	cmdline.Secret(flags, "join")
	flags.StringVar(&c.id, "id", "", "id of this worker, where its user of NATS may speak for this id alone (default the one in --state-dir, or a new one)")
}

func (c *workerCommand) run(cmd *cobra.Command) error {
	cfg, err := c.role.config()
	if err != nil {
		return err
	}
	if c.dir == "" {
		c.dir = filepath.Join(defaultDataDir(), "worker")
	}
	one, err := c.worker.config(c.name, c.dir)
	if err != nil {
		return err
	}
	if err := c.identify(cmd.Context(), &cfg, &one); err != nil {
		return err
	}
	one.Reaper = append(one.Reaper, c.role.nats.files()...) // after identify, which sets the key
	cfg.Workers = []worker.Config{one}
	cfg.Terminate = secondSignal(cmd.Context())
	return system.Run(cmd.Context(), cfg, func(s *system.System) { printReady(cmd, "worker", s, false) })
}

// identify sets the id of the worker: that of its own key, with which it then connects, or
// the one of --id.
func (c *workerCommand) identify(ctx context.Context, cfg *system.Config, one *worker.Config) error {
	own, err := c.role.nats.join(c.dir, strings.TrimSpace(c.join))
	if err != nil {
		return err
	}
	if own != nil {
		if c.id != "" && c.id != own.id.String() {
			return cmdline.Usagef("--id: the key in %s is that of %s", c.dir, own.id)
		}
		one.ID = &own.id
		cfg.Connect = func(name string) (*nats.Conn, error) { return own.connect(ctx, &c.role.nats, name, cfg.Log) }
		return nil
	}
	if c.id == "" {
		return nil
	}
	chosen, err := workerID(c.id)
	one.ID = &chosen
	return err
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
