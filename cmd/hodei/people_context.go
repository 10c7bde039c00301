package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/rpc"
)

func newContext() *cobra.Command {
	return newGroup("context", "Contexts: systems by name, so that --server need not be typed",
		"  hodei context add prod --server https://hodei.example.com --select\n  hodei context ls",
		newContextAdd(), newContextList(), newContextShow(), newContextSelect(), newContextPrevious(), newContextRemove())
}

func newContextAdd() *cobra.Command {
	var c savedContext
	var selected bool
	cmd := &cobra.Command{
		Use: "add NAME", Short: "Save where a system is, under a name", Args: cobra.ExactArgs(1),
		Long: `Save where a system is, under a name: the URL of its API, the URL of its NATS, or
the name of a nats context with its credentials. A context of that name is
replaced. Files are kept in ~/.config/hodei/contexts.`,
		Example: `  hodei context add prod --server https://hodei.example.com --select
  hodei context add edge --nats nats://nats.internal:4222 --output json
  hodei context add lab --nats-context lab --description 'the machines in the cellar'`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := c.check(); err != nil {
				return err
			}
			if err := writeContext(args[0], c); err != nil {
				return err
			}
			if !selected {
				fmt.Fprintf(cmd.ErrOrStderr(), "context %s saved; `hodei context select %s` makes it the default\n", args[0], args[0])
				return nil
			}
			return selectContext(cmd, args[0])
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&c.Server, "server", "", "URL of the API")
	flags.StringVar(&c.NATS, "nats", "", "URL of NATS")
	flags.StringVar(&c.NATSContext, "nats-context", "", "name of a nats context (~/.config/nats/context/NAME.json)")
	flags.StringVar(&c.Description, "description", "", "what it is")
	flags.StringVarP(&c.Output, "output", "o", "", "--output of commands that give none: table, json, yaml or name")
	flags.BoolVar(&selected, "select", false, "make it the default")
	commandLineOnly(flags) // HODEI_NATS of a role must not end up in a file
	complete(cmd, "output", func(*cobra.Command, string) ([]string, error) { return []string{"table", "json", "yaml", "name"}, nil })
	return cmd
}

func (c savedContext) check() error {
	given := 0
	for _, where := range []string{c.Server, c.NATS, c.NATSContext} {
		if where != "" {
			given++
		}
	}
	if given != 1 {
		return usageError{errors.New("one of --server, --nats and --nats-context is required")}
	}
	if c.NATSContext != "" {
		if _, err := readNATSContext(c.NATSContext); err != nil {
			return err
		}
	}
	switch c.Output {
	case "", "table", "json", "yaml", "name":
		return nil
	}
	return usageError{fmt.Errorf("--output: table, json, yaml or name required, not %q", c.Output)}
}

// contextEntry is a context as lists show it.
type contextEntry struct {
	ID       string `json:"id"` // its name, for -o name
	Selected bool   `json:"selected"`
	savedContext
}

func newContextList() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use: "ls", Short: "List contexts; * marks the default", Args: cobra.NoArgs, Example: "  hodei context ls",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkOutput(cmd, output); err != nil {
				return err
			}
			entries, err := contextEntries()
			if err != nil {
				return err
			}
			s := &session{out: cmd.OutOrStdout(), errs: cmd.ErrOrStderr(), format: output}
			body, err := json.Marshal(map[string]any{"items": entries})
			if err != nil {
				return err
			}
			return present(s, "contexts", body, func(struct{}) error { return s.showContexts(entries) })
		},
	}
	addOutput(cmd, &output)
	return cmd
}

func contextEntries() ([]contextEntry, error) {
	names, err := contextNames()
	if err != nil {
		return nil, err
	}
	selected, err := readSelection()
	if err != nil {
		return nil, err
	}
	entries := []contextEntry{}
	for _, name := range names {
		c, err := readContext(name)
		if err != nil {
			return nil, err
		}
		entries = append(entries, contextEntry{name, name == selected.Current, c.redacted()})
	}
	return entries, nil
}

// redacted is the context without passwords.
func (c savedContext) redacted() savedContext {
	c.Server, c.NATS = rpc.Redacted(c.Server), rpc.Redacted(c.NATS)
	return c
}

func (s *session) showContexts(entries []contextEntry) error {
	if len(entries) == 0 {
		s.say("no contexts; commands ask %s", defaultServer)
		return nil
	}
	var rows [][]string
	for _, e := range entries {
		mark := ""
		if e.Selected {
			mark = "*"
		}
		rows = append(rows, []string{mark, e.ID, e.where(), or(&e.Output), or(&e.Description)})
	}
	return s.table([]string{"", "name", "where", "output", "description"}, rows)
}

func newContextShow() *cobra.Command {
	cmd := &cobra.Command{
		Use: "show [NAME]", Short: "Show a context, the default one without a name", Args: cobra.MaximumNArgs(1),
		Example: "  hodei context show prod",
		RunE: func(cmd *cobra.Command, args []string) error {
			selected, err := readSelection()
			if err != nil {
				return err
			}
			name := selected.Current
			if len(args) > 0 {
				name = args[0]
			}
			if name == "" {
				return hodei.Errorf(hodei.NotFound, "no context is selected; see `hodei context ls`")
			}
			c, err := readContext(name)
			if err != nil {
				return err
			}
			c = c.redacted()
			s := &session{out: cmd.OutOrStdout()}
			return s.record(field{"Name", name}, field{"Description", or(&c.Description)}, field{"Server", or(&c.Server)},
				field{"NATS", or(&c.NATS)}, field{"NATS context", or(&c.NATSContext)}, field{"Output", or(&c.Output)})
		},
	}
	cmd.ValidArgsFunction = oneContext
	return cmd
}

func newContextSelect() *cobra.Command {
	return &cobra.Command{
		Use: "select NAME", Short: "Make a context the default", Args: cobra.ExactArgs(1), ValidArgsFunction: oneContext,
		Example: "  hodei context select prod",
		RunE:    func(cmd *cobra.Command, args []string) error { return selectContext(cmd, args[0]) },
	}
}

func newContextPrevious() *cobra.Command {
	return &cobra.Command{
		Use: "previous", Short: "Make the context the default that was it before", Args: cobra.NoArgs,
		Example: "  hodei context previous",
		RunE: func(cmd *cobra.Command, _ []string) error {
			selected, err := readSelection()
			if err != nil {
				return err
			}
			if selected.Previous == "" {
				return hodei.Errorf(hodei.NotFound, "no other context was selected before")
			}
			return selectContext(cmd, selected.Previous)
		},
	}
}

func selectContext(cmd *cobra.Command, name string) error {
	c, err := readContext(name)
	if err != nil {
		return err
	}
	selected, err := readSelection()
	if err != nil {
		return err
	}
	if selected.Current != name {
		selected = selection{Current: name, Previous: selected.Current}
	}
	if err := writeSelection(selected); err != nil {
		return err
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "commands now ask %s\n", c.where())
	return nil
}

func newContextRemove() *cobra.Command {
	return &cobra.Command{
		Use: "rm NAME", Short: "Remove a context", Args: cobra.ExactArgs(1), ValidArgsFunction: oneContext,
		Example: "  hodei context rm prod",
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := readContext(args[0]); err != nil {
				return err
			}
			path, err := contextFile(args[0])
			if err != nil {
				return err
			}
			if err := os.Remove(path); err != nil {
				return err
			}
			selected, err := readSelection()
			if err != nil {
				return err
			}
			kept := selected
			if kept.Current == args[0] {
				kept.Current = ""
				fmt.Fprintf(cmd.ErrOrStderr(), "it was the default; commands now ask %s\n", defaultServer)
			}
			if kept.Previous == args[0] {
				kept.Previous = ""
			}
			if kept == selected {
				return nil
			}
			return writeSelection(kept)
		},
	}
}
