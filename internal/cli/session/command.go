package session

import (
	"cmp"
	"context"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
	"github.com/hodei-jobs/hodei/internal/cli/contexts"
	"github.com/hodei-jobs/hodei/internal/rpc"
)

// Flags are the flags that every command for users has: the address of the system, and
// the format of the output.
type Flags struct {
	server, nats, context, output string
	token                         string
	natsContext                   string // context of the nats command, which our own context names
	settled                       bool   // by a completion
	flag                          string // the one of --server, --nats and --context that was given, for hints
}

// DefaultServer is the API of a `hodei up` on this machine.
const DefaultServer = "http://127.0.0.1:8080"

// action is the work of a command, once it is connected.
type action func(context.Context, *Session, []string) error

// Command adds to cmd the flags, the connection and the output, around the action.
func (p *Flags) Command(cmd *cobra.Command, ask action) *cobra.Command {
	flags := cmd.Flags()
	flags.StringVar(&p.server, "server", DefaultServer, "URL of the API")
	flags.StringVar(&p.nats, "nats", "", "URL of NATS, to call the services directly")
	cmdline.Hidden(flags, "server", "nats")
	flags.StringVar(&p.context, "context", "", "context with the server's address; see hodei context")
	flags.StringVar(&p.token, "token", "", "token of the API; only as HODEI_TOKEN, or by --token-file")
	cmdline.Secret(flags, "token")
	flags.Lookup("token").Hidden = true
	flags.Lookup("token-file").Usage = "file that holds the token of the API (default: HODEI_TOKEN, or that of the context)"
	AddOutput(cmd, &p.output)
	Complete(cmd, "context", func(*cobra.Command, string) ([]string, error) { return contexts.Names() })
	// It replaces the hook of the root command, which does not know that these flags exclude each other.
	cmd.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		return cmp.Or(p.settle(cmd), cmdline.CheckFlags(cmd))
	}
	return p.Action(cmd, ask)
}

// Action gives a command of Command another action.
func (p *Flags) Action(cmd *cobra.Command, ask action) *cobra.Command {
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

// Listing is Command for an action that shows changing records; it adds --watch.
func (p *Flags) Listing(cmd *cobra.Command, ask action) *cobra.Command {
	var watch bool
	p.Command(cmd, func(ctx context.Context, s *Session, args []string) error {
		if !watch {
			return ask(ctx, s, args)
		}
		return s.watch(ctx, func(s *Session) error { return ask(ctx, s, args) })
	})
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "update it whenever it changes, until Ctrl-C")
	return cmd
}

// LineOutput marks a command that prints lines of a log, either unchanged or as objects.
var LineOutput = map[string]string{"output": "table json"}

// formats are the values of --output for this command.
func formats(cmd *cobra.Command) []string {
	if some, ok := cmd.Annotations["output"]; ok {
		return strings.Fields(some)
	}
	return everyFormat
}

var everyFormat = []string{"table", "json", "yaml", "name"}

// AddOutput adds --output.
func AddOutput(cmd *cobra.Command, output *string) {
	about := map[string]string{
		"table": "formatted", "json": "the API's reply unchanged", "yaml": "the same as YAML", "name": "the ids alone",
	}
	if len(formats(cmd)) == 2 {
		about["table"], about["json"] = "lines as they are", "one object per line"
	}
	var words []string
	for _, f := range formats(cmd) {
		words = append(words, f+" ("+about[f]+")")
	}
	cmd.Flags().StringVarP(output, "output", "o", "table", strings.Join(words, ", "))
	Complete(cmd, "output", func(cmd *cobra.Command, _ string) ([]string, error) {
		var values []string
		for _, f := range formats(cmd) {
			values = append(values, f+"\t"+about[f])
		}
		return values, nil
	})
}

// CheckOutput refuses an --output that the command does not know.
func CheckOutput(cmd *cobra.Command, output string) error {
	if known := formats(cmd); !slices.Contains(known, output) {
		return cmdline.Usagef("--output: %s required, not %q", alternatives(known), output)
	}
	return nil
}

// alternatives are words as "a, b or c".
func alternatives(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// settle reads the environment and decides on the address of the system. The command line
// goes before the environment, and that before the selected context. HODEI_SERVER goes
// before HODEI_NATS, because roles read HODEI_NATS too.
func (p *Flags) settle(cmd *cobra.Command) error {
	flags := cmd.Flags()
	asked := flags.Changed("output") // else a format that the command does not know is no mistake
	given, err := where(flags)
	if err != nil {
		return err
	}
	if flags.Changed("token") {
		return cmdline.Usagef("--token would be visible to every user of this machine: use --token-file or HODEI_TOKEN")
	}
	if err := cmdline.FromEnvironment(flags, cmdline.Connection...); err != nil {
		return err
	}
	_ = cmdline.Hide(flags) // fails without /proc; the command ends soon
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
	if err := p.useContexts(given, flags.Changed("output")); err != nil {
		return err
	}
	if p.nats == "" && p.natsContext == "" && !IsServer(p.server) {
		return cmdline.Usagef("%q is no URL of a server: one such as http://127.0.0.1:8080 or https://hodei.example.com is required", rpc.Redacted(p.server))
	}
	if !asked && !slices.Contains(formats(cmd), p.output) {
		// In a job, the variable is the path of the file for outputs.
		if os.Getenv("HODEI_EXECUTION_ID") == "" && !slices.Contains(everyFormat, p.output) {
			return cmdline.Usagef("HODEI_OUTPUT: %s required, not %q", alternatives(everyFormat), p.output)
		}
		p.output = "table"
	}
	return CheckOutput(cmd, p.output)
}

// IsServer reports whether the text is the URL of a server.
func IsServer(text string) bool {
	at, err := url.Parse(text)
	return err == nil && at.Host != "" && (at.Scheme == "http" || at.Scheme == "https")
}

// useContexts takes what the command line and the environment leave open from a context.
func (p *Flags) useContexts(given string, printing bool) error {
	switch given {
	case "nats":
		return nil
	case "server":
		if p.token == "" {
			p.token = savedToken(p.server)
		}
		return nil
	}
	return p.useContext(printing)
}

// savedToken returns the token that `hodei login` saved for the server, "" without one. Of several
// contexts the selected one counts.
func savedToken(server string) string {
	selected, _ := contexts.Selected() // a context that cannot be read has no token
	names, _ := contexts.Names()
	for _, name := range append([]string{selected.Current}, names...) {
		c, err := contexts.Read(name)
		if err == nil && c.Token != "" && strings.TrimRight(c.Server, "/") == strings.TrimRight(server, "/") {
			return c.Token
		}
	}
	return ""
}

// where is the one of --server, --nats and --context that was given.
func where(flags *pflag.FlagSet) (given string, err error) {
	for _, name := range []string{"server", "nats", "context"} {
		switch {
		case !flags.Changed(name):
		case given != "":
			return "", cmdline.Usagef("--%s and --%s exclude each other", given, name)
		default:
			given = name
		}
	}
	return given, nil
}

// useContext takes the address from the named context, else from the selected one.
func (p *Flags) useContext(printing bool) error {
	name := p.context
	if name == "" {
		selected, err := contexts.Selected()
		if err != nil || selected.Current == "" {
			return err
		}
		name = selected.Current
	}
	c, err := contexts.Read(name)
	if err != nil {
		return err
	}
	p.context, p.server, p.nats, p.natsContext = name, c.Server, c.NATS, c.NATSContext
	if p.token == "" {
		p.token = c.Token
	}
	if c.Output != "" && !printing {
		p.output = c.Output
	}
	return nil
}
