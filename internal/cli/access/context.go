package access

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
	"github.com/hodei-jobs/hodei/internal/cli/contexts"
	"github.com/hodei-jobs/hodei/internal/cli/render"
	"github.com/hodei-jobs/hodei/internal/cli/session"
)

func NewContext() *cobra.Command {
	return cmdline.Noun("context", "Named server profiles",
		"  hodei context add prod --server https://hodei.example.com --select\n  hodei context ls",
		newContextAdd(), newContextList(), newContextShow(), newContextSelect(), newContextPrevious(), newContextRemove())
}

func newContextAdd() *cobra.Command {
	var c contexts.Context
	var selected bool
	var tokenFile string
	cmd := &cobra.Command{
		Use: "add NAME", Short: "Save a server profile", Args: cobra.ExactArgs(1),
		Long: `Save a server profile: the URL of its API, the URL of its NATS, or
the name of a nats context with its credentials. A context of that name is
replaced. Files are kept in ~/.config/hodei/contexts.`,
		Example: `  hodei context add prod --server https://hodei.example.com --select
  hodei context add edge --nats nats://nats.internal:4222 --output json
  hodei context add lab --nats-context lab --description 'the machines in the cellar'`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if tokenFile != "" {
				text, err := os.ReadFile(tokenFile)
				if err != nil {
					return cmdline.Usagef("--token-file: %w", err)
				}
				c.Token = strings.TrimSpace(string(text))
			}
			if err := c.Check(); err != nil {
				return err
			}
			if err := contexts.Write(args[0], c); err != nil {
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
	flags.StringVar(&c.Description, "description", "", "description")
	flags.StringVarP(&c.Output, "output", "o", "", "--output of commands that give none: table, json, yaml or name")
	flags.StringVar(&tokenFile, "token-file", "", "file that holds the token of the API; hodei login asks for it")
	flags.BoolVar(&selected, "select", false, "make it the default")
	cmdline.CommandLineOnly(flags) // HODEI_NATS of a role must not end up in a file
	session.Complete(cmd, "output", func(*cobra.Command, string) ([]string, error) { return []string{"table", "json", "yaml", "name"}, nil })
	return cmd
}

// contextEntry is a context as lists show it.
type contextEntry struct {
	ID       string `json:"id"` // its name, for -o name
	Selected bool   `json:"selected"`
	contexts.Context
}

func newContextList() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use: "ls", Short: "List contexts; * marks the default", Args: cobra.NoArgs, Example: "  hodei context ls",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := session.CheckOutput(cmd, output); err != nil {
				return err
			}
			entries, err := contextEntries()
			if err != nil {
				return err
			}
			s := session.Printing(cmd.OutOrStdout(), cmd.ErrOrStderr(), output)
			body, err := json.Marshal(map[string]any{"items": entries})
			if err != nil {
				return err
			}
			return session.Present(s, "contexts", body, func(struct{}) error { return showContexts(s, entries) })
		},
	}
	session.AddOutput(cmd, &output)
	return cmd
}

func contextEntries() ([]contextEntry, error) {
	names, err := contexts.Names()
	if err != nil {
		return nil, err
	}
	selected, err := contexts.Selected()
	if err != nil {
		return nil, err
	}
	entries := []contextEntry{}
	for _, name := range names {
		c, err := contexts.Read(name)
		if err != nil {
			return nil, err
		}
		entries = append(entries, contextEntry{name, name == selected.Current, c.Redacted()})
	}
	return entries, nil
}

func showContexts(s *session.Session, entries []contextEntry) error {
	if len(entries) == 0 {
		s.Note("no contexts; using %s", session.DefaultServer)
		return nil
	}
	var rows [][]string
	for _, e := range entries {
		mark := ""
		if e.Selected {
			mark = "*"
		}
		rows = append(rows, []string{mark, e.ID, e.Where(), render.OrNone(&e.Output), render.OrNone(&e.Description)})
	}
	return s.Table([]string{"", "name", "where", "output", "description"}, rows)
}

func newContextShow() *cobra.Command {
	cmd := &cobra.Command{
		Use: "show [NAME]", Short: "Show a context, the default one without a name", Args: cobra.MaximumNArgs(1),
		Example: "  hodei context show prod",
		RunE: func(cmd *cobra.Command, args []string) error {
			selected, err := contexts.Selected()
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
			c, err := contexts.Read(name)
			if err != nil {
				return err
			}
			c = c.Redacted()
			s := session.Printing(cmd.OutOrStdout(), cmd.ErrOrStderr(), "")
			return s.Record(render.Field{"Name", name}, render.Field{"Description", render.OrNone(&c.Description)}, render.Field{"Server", render.OrNone(&c.Server)},
				render.Field{"NATS", render.OrNone(&c.NATS)}, render.Field{"NATS context", render.OrNone(&c.NATSContext)}, render.Field{"Token", render.OrNone(&c.Token)}, render.Field{"Output", render.OrNone(&c.Output)})
		},
	}
	cmd.ValidArgsFunction = session.OneContext
	return cmd
}

func newContextSelect() *cobra.Command {
	return &cobra.Command{
		Use: "select NAME", Short: "Switch to a context", Args: cobra.ExactArgs(1), ValidArgsFunction: session.OneContext,
		Example: "  hodei context select prod",
		RunE:    func(cmd *cobra.Command, args []string) error { return selectContext(cmd, args[0]) },
	}
}

func newContextPrevious() *cobra.Command {
	return &cobra.Command{
		Use: "previous", Short: "Switch to the previous context", Args: cobra.NoArgs,
		Example: "  hodei context previous",
		RunE: func(cmd *cobra.Command, _ []string) error {
			selected, err := contexts.Selected()
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
	c, err := contexts.Read(name)
	if err != nil {
		return err
	}
	selected, err := contexts.Selected()
	if err != nil {
		return err
	}
	if selected.Current != name {
		selected = contexts.Selection{Current: name, Previous: selected.Current}
	}
	if err := contexts.Select(selected); err != nil {
		return err
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "switched to %s\n", c.Where())
	return nil
}

func newContextRemove() *cobra.Command {
	return &cobra.Command{
		Use: "rm NAME", Short: "Delete a context", Args: cobra.ExactArgs(1), ValidArgsFunction: session.OneContext,
		Example: "  hodei context rm prod",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := contexts.Remove(args[0]); err != nil {
				return err
			}
			selected, err := contexts.Selected()
			if err != nil {
				return err
			}
			kept := selected
			if kept.Current == args[0] {
				kept.Current = ""
				fmt.Fprintf(cmd.ErrOrStderr(), "it was the default; now using %s\n", session.DefaultServer)
			}
			if kept.Previous == args[0] {
				kept.Previous = ""
			}
			if kept == selected {
				return nil
			}
			return contexts.Select(kept)
		},
	}
}
