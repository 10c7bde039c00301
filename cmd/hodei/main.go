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

	"github.com/hodei-jobs/hodei/internal/cli"
	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
	"github.com/hodei-jobs/hodei/internal/cli/render"
)

func main() { os.Exit(run()) }

// run executes the command line and returns the exit status.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	for i, arg := range os.Args {
		os.Args[i] = strings.Clone(arg) // hide overwrites the original
	}
	err := newRoot().ExecuteContext(ctx)
	var status cmdline.ExitStatus
	switch {
	case err == nil:
		return 0
	case errors.As(err, &status):
		return int(status)
	}
	fmt.Fprintln(os.Stderr, "hodei:", render.OneLine(err))
	return cmdline.ExitCode(err)
}

// newRoot returns the command line: the roles and the commands for users.
func newRoot() *cobra.Command {
	root := cli.New(append(newRoles(), newUp(), newWorker(), newMigrate(), newNATS(), newSetup(), newReaper())...)
	addBootstrap(root)
	var pprof string
	root.PersistentFlags().StringVar(&pprof, "pprof", "", "serve the profiles of a role at this address")
	root.PersistentFlags().Lookup("pprof").Hidden = true
	prepare := root.PersistentPreRunE
	root.PersistentPreRunE = func(cmd *cobra.Command, args []string) error {
		if err := prepare(cmd, args); err != nil {
			return err
		}
		return profile(pprof, cmd.ErrOrStderr())
	}
	return root
}
