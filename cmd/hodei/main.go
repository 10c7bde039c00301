package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() { os.Exit(run()) }

// run executes the command line and returns the exit status.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
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
	root := &cobra.Command{
		Use:   "hodei",
		Short: "Run commands on a fleet of machines you own, over NATS",
		Long: `Hodei runs commands on a fleet of machines you own, over NATS.

A pipeline groups jobs, a job says what to run, an execution is one run of it on
one worker, with live logs. Every flag can be given as an environment variable:
--port-base is HODEI_PORT_BASE.`,
		Example: `  hodei up                         start everything on this machine
  hodei exec -- echo hello         run a command on the fleet and watch it
  hodei run build                  execute the job named build and follow it`,
		SilenceUsage: true, SilenceErrors: true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return fromEnvironment(cmd.Flags()) },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddGroup(&cobra.Group{ID: "people", Title: "Commands for people:"}, &cobra.Group{ID: "roles", Title: "Roles:"})
	root.AddCommand(newUp(), newRole("orchestrator"), newRole("scheduler"), newRole("worker-manager"), newRole("edge"),
		newWorker(), newMigrate(), newReaper(), newVersion())
	addPeople(root)
	return root
}
