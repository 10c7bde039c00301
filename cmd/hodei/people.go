package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// people holds what every command that people use has in common: where the
// system is, and how to print.
type people struct {
	server, nats, output string
	flag                 string // what was given of --server and --nats, to be shown in hints
}

const defaultServer = "http://127.0.0.1:8080"

// addPeople adds the commands that people use. `worker` is a role as well, so
// what people ask of workers becomes its sub-commands.
func addPeople(root *cobra.Command) {
	p := &people{}
	for _, cmd := range []*cobra.Command{
		p.newRun(), p.newExec(), p.newLogs(), p.newPipeline(), p.newJob(), p.newExecution(), p.newQueue(),
	} {
		cmd.GroupID = "people"
		root.AddCommand(cmd)
	}
	for _, cmd := range root.Commands() {
		if cmd.Name() == "worker" {
			cmd.AddCommand(p.newWorkerList(), p.newWorkerShow())
		}
	}
}

// command completes a command that asks the system. Its Args are checked, and
// their error is one of usage, before anything is connected.
func (p *people) command(cmd *cobra.Command, ask func(context.Context, *session, []string) error) *cobra.Command {
	flags, args := cmd.Flags(), cmd.Args
	flags.StringVar(&p.server, "server", defaultServer, "URL of the API")
	flags.StringVar(&p.nats, "nats", "", "URL of NATS, to ask the services directly instead")
	flags.StringVarP(&p.output, "output", "o", "table", "table, or json: the API's reply as it came")
	cmd.Args = func(cmd *cobra.Command, given []string) error {
		if err := args(cmd, given); err != nil {
			return usageError{fmt.Errorf("%w; usage: %s", err, cmd.UseLine())}
		}
		return nil
	}
	// It replaces the root's own, which knows no flags that exclude each other.
	cmd.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error { return p.settle(cmd.Flags()) }
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		s, err := p.open(cmd)
		if err != nil {
			return err
		}
		defer s.close()
		return s.explain(cmd.Context(), ask(cmd.Context(), s, args))
	}
	return cmd
}

// settle takes in the environment and decides between --server and --nats:
// what the command line says counts more than what the environment says, and
// HODEI_SERVER more than HODEI_NATS, which the roles read too.
func (p *people) settle(flags *pflag.FlagSet) error {
	server, nats := flags.Changed("server"), flags.Changed("nats")
	if err := fromEnvironment(flags); err != nil {
		return err
	}
	switch {
	case server && nats:
		return usageError{errors.New("--server and --nats exclude each other")}
	case server:
		p.flag = " --server " + redacted(p.server)
	case nats:
		p.flag = " --nats " + redacted(p.nats)
	}
	if !nats && flags.Changed("server") {
		p.nats = ""
	}
	if p.output != "table" && p.output != "json" {
		return usageError{fmt.Errorf("--output: table or json required, not %q", p.output)}
	}
	return nil
}

// newGroup is a noun whose verbs are sub-commands. cobra alone would take a
// verb that does not exist for a call for help, and succeed.
func newGroup(use, short string, verbs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return usageError{fmt.Errorf("unknown command %q; see %s --help", args[0], cmd.CommandPath())}
		},
	}
	cmd.AddCommand(verbs...)
	return cmd
}
