package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/hodei-jobs/hodei/internal/rpc"
)

// people holds what every command that people use has in common: where the
// system is, and how to print.
type people struct {
	server, nats, context, output string
	natsContext                   string // of the nats command, named by our own context
	flag                          string // what was given of --server, --nats and --context, to be shown in hints
}

const defaultServer = "http://127.0.0.1:8080"

// addPeople adds the commands that people use. `worker` is a role as well, so
// what people ask of workers becomes its sub-commands.
func addPeople(root *cobra.Command) {
	p := &people{}
	for _, cmd := range []*cobra.Command{
		p.newRun(), p.newExec(), p.newLogs(), p.newPipeline(), p.newJob(), p.newExecution(), p.newQueue(),
		p.newExplain(), p.newEvents(), p.newStats(), p.newStatus(), p.newDoctor(), newContext(),
	} {
		cmd.GroupID = "people"
		root.AddCommand(cmd)
	}
	for _, cmd := range root.Commands() {
		if cmd.Name() == "worker" {
			cmd.AddCommand(p.newWorkerList(), p.newWorkerShow(), p.newWorkerDrain(), p.newWorkerResume(), p.newWorkerTerminate(), p.newWorkerRemove())
		}
	}
}

// action is what a command does once it knows whom to ask.
type action func(context.Context, *session, []string) error

// command completes a command that asks the system.
func (p *people) command(cmd *cobra.Command, ask action) *cobra.Command {
	flags := cmd.Flags()
	flags.StringVar(&p.server, "server", defaultServer, "URL of the API")
	flags.StringVar(&p.nats, "nats", "", "URL of NATS, to ask the services directly instead")
	hidden(flags, "server", "nats")
	flags.StringVar(&p.context, "context", "", "context that says where the system is; see hodei context")
	addOutput(cmd, &p.output)
	complete(cmd, "context", func(*cobra.Command, string) ([]string, error) { return contextNames() })
	// It replaces the root's own, which knows no flags that exclude each other.
	cmd.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error { return p.settle(cmd) }
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

// listing is a command that shows what changes, and can go on showing it.
func (p *people) listing(cmd *cobra.Command, ask action) *cobra.Command {
	var watch bool
	p.command(cmd, func(ctx context.Context, s *session, args []string) error {
		if !watch {
			return ask(ctx, s, args)
		}
		return s.watch(ctx, func(s *session) error { return ask(ctx, s, args) })
	})
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "show it again whenever it changes, until Ctrl-C")
	return cmd
}

// lineOutput marks a command whose output is lines of a log: as they are, or
// as objects.
var lineOutput = map[string]string{"output": "table json"}

// formats are what --output takes.
func formats(cmd *cobra.Command) []string {
	if some, ok := cmd.Annotations["output"]; ok {
		return strings.Fields(some)
	}
	return []string{"table", "json", "yaml", "name"}
}

func addOutput(cmd *cobra.Command, output *string) {
	about := map[string]string{
		"table": "for people", "json": "the API's reply as it came", "yaml": "the same as YAML", "name": "the ids alone",
	}
	if len(formats(cmd)) == 2 {
		about["table"], about["json"] = "lines as they are", "an object a line"
	}
	var words []string
	for _, f := range formats(cmd) {
		words = append(words, f+" ("+about[f]+")")
	}
	cmd.Flags().StringVarP(output, "output", "o", "table", strings.Join(words, ", "))
	complete(cmd, "output", func(cmd *cobra.Command, _ string) ([]string, error) {
		var values []string
		for _, f := range formats(cmd) {
			values = append(values, f+"\t"+about[f])
		}
		return values, nil
	})
}

// checkOutput refuses an --output that the command does not know.
func checkOutput(cmd *cobra.Command, output string) error {
	if known := formats(cmd); !slices.Contains(known, output) {
		return usageError{fmt.Errorf("--output: %s required, not %q", alternatives(known), output)}
	}
	return nil
}

// alternatives are words as "a, b or c".
func alternatives(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// settle takes in the environment and decides where the system is: what the
// command line says counts more than what the environment says, and that more
// than the context that was selected. HODEI_SERVER counts more than
// HODEI_NATS, which the roles read too.
func (p *people) settle(cmd *cobra.Command) error {
	flags := cmd.Flags()
	asked := flags.Changed("output") // else a format that the command does not know is no mistake
	given, err := where(flags)
	if err != nil {
		return err
	}
	if err := fromEnvironment(flags); err != nil {
		return err
	}
	_ = hide(flags) // fails without /proc; the command ends soon
	if given == "" {
		for _, name := range []string{"server", "nats", "context"} {
			if flags.Changed(name) && given == "" {
				given = name
			}
		}
	} else {
		p.flag = " --" + given + " " + rpc.Redacted(flags.Lookup(given).Value.String())
	}
	if given != "nats" {
		p.nats = ""
	}
	if given != "server" && given != "nats" {
		if err := p.useContext(flags.Changed("output")); err != nil {
			return err
		}
	}
	if !asked && !slices.Contains(formats(cmd), p.output) {
		p.output = "table"
	}
	return checkOutput(cmd, p.output)
}

// where is which of --server, --nats and --context was given.
func where(flags *pflag.FlagSet) (given string, err error) {
	for _, name := range []string{"server", "nats", "context"} {
		switch {
		case !flags.Changed(name):
		case given != "":
			return "", usageError{fmt.Errorf("--%s and --%s exclude each other", given, name)}
		default:
			given = name
		}
	}
	return given, nil
}

// useContext takes what a context says: the one named, else the one selected.
func (p *people) useContext(printing bool) error {
	name := p.context
	if name == "" {
		selected, err := readSelection()
		if err != nil || selected.Current == "" {
			return err
		}
		name = selected.Current
	}
	c, err := readContext(name)
	if err != nil {
		return err
	}
	p.context, p.server, p.nats, p.natsContext = name, c.Server, c.NATS, c.NATSContext
	if c.Output != "" && !printing {
		p.output = c.Output
	}
	return nil
}

// newGroup is a noun whose verbs are sub-commands.
func newGroup(use, short, example string, verbs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Example: example, Args: knownVerb}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	cmd.AddCommand(verbs...)
	return cmd
}

// knownVerb refuses a verb that does not exist: cobra alone would take it for a
// call for help, and succeed.
func knownVerb(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	text := fmt.Sprintf("unknown command %q for %q", args[0], cmd.CommandPath())
	cmd.SuggestionsMinimumDistance = max(1, min(2, len(args[0])/2)) // letters that may be wrong; 0 would be cobra's own
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		return usageError{fmt.Errorf("%s; did you mean %s?", text, strings.Join(near, " or "))}
	}
	return usageError{errors.New(text + "; see " + cmd.CommandPath() + " --help")}
}

// strict makes every mistake in a command's arguments one of usage, found
// before anything is connected.
func strict(cmd *cobra.Command) {
	if args := cmd.Args; args != nil {
		cmd.Args = func(cmd *cobra.Command, given []string) error {
			err := args(cmd, given)
			if err == nil || errors.As(err, new(usageError)) {
				return err
			}
			return usageError{fmt.Errorf("%w; usage: %s", err, cmd.UseLine())}
		}
	}
	for _, sub := range cmd.Commands() {
		strict(sub)
	}
}
