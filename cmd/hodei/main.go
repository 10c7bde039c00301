package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

func main() { os.Exit(run()) }

// run executes the command line and returns the exit status.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	for i, arg := range os.Args {
		os.Args[i] = strings.Clone(arg) // hide overwrites the original
	}
	root := newRoot()
	err := root.ExecuteContext(ctx)
	var status exitStatus
	switch {
	case err == nil:
		return 0
	case errors.As(err, &status):
		return int(status)
	}
	fmt.Fprintln(os.Stderr, "hodei:", oneLine(err))
	return exitCode(err)
}

func newRoot() *cobra.Command {
	var pprof string
	root := &cobra.Command{
		Use:   "hodei",
		Short: "Run commands on a fleet of machines you own, over NATS",
		Long: `Hodei runs commands on a fleet of machines you own, over NATS. A pipeline groups
jobs, a job says what to run, an execution is one run of it on one worker, with
live logs.

Start everything on this machine, then use it from another terminal:
  hodei up

Run something, and watch it:
  hodei exec -- echo hello
  hodei pipeline create demo
  hodei job create --pipeline demo --name build -- make
  hodei run build

Follow what runs already:
  hodei execution ls --status running
  hodei logs -f build

See why something waits:
  hodei queue
  hodei explain build

Every flag can be given as an environment variable: --server is HODEI_SERVER.
Exit status: that of the command for run and exec, else 0, 1 failed, 2 usage,
3 not found, 4 refused, 5 unavailable.`,
		SilenceUsage: true, SilenceErrors: true, Args: knownVerb,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if err := fromEnvironment(cmd.Flags()); err != nil {
				return err
			}
			if err := private(cmd); err != nil {
				return err
			}
			return profile(pprof, cmd.ErrOrStderr())
		},
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		Version: version(), // adds --version
	}
	root.SetVersionTemplate(versionLine())
	root.PersistentFlags().StringVar(&pprof, "pprof", "", "serve the profiles of a role at this address")
	root.PersistentFlags().Lookup("pprof").Hidden = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w; see %s --help", err, cmd.CommandPath())}
	})
	root.AddGroup(&cobra.Group{ID: "people", Title: "Commands for people:"}, &cobra.Group{ID: "roles", Title: "Roles:"},
		&cobra.Group{ID: "other", Title: "Other:"})
	root.SetHelpCommandGroupID("other")
	root.SetCompletionCommandGroupID("other")
	root.AddCommand(newUp(), newRole("orchestrator"), newRole("scheduler"), newRole("worker-manager"), newRole("edge"),
		newWorker(), newMigrate(), newReaper(), newVersion())
	addPeople(root)
	root.InitDefaultCompletionCmd()
	strict(root)
	return root
}
