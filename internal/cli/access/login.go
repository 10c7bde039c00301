package access

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/client"
	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
	"github.com/hodei-jobs/hodei/internal/cli/contexts"
	"github.com/hodei-jobs/hodei/internal/cli/session"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/internal/token"
	"github.com/hodei-jobs/hodei/schemas"
)

// NewLogin is the command that saves a token in a context.
func NewLogin() *cobra.Command {
	var name string
	var device, typed bool
	cmd := &cobra.Command{
		Use: "login [SERVER]", Short: "Save a token for a server, in a context that only you can read", Args: cobra.MaximumNArgs(1),
		Long: `Save a token for a server in a context, and make it the default. On a terminal it
shows a code and the page of the console on which a signed-in user approves it. The
token then has the rights of that user, and ends when the user's own token ends.

With --with-token, and without a terminal, it reads a token instead, without showing
it. Create one with hodei token create, or on the machine of the database with hodei
token bootstrap.

Without SERVER, the server of the context is used: the selected one, or the one in
--name.`,
		Example: "  hodei login https://hodei.example.com\n  hodei login --name prod https://hodei.example.com < token",
		RunE: func(cmd *cobra.Command, args []string) error {
			name, c, err := loginContext(name, args)
			if err != nil {
				return err
			}
			if plain(c.Server) {
				fmt.Fprintf(cmd.ErrOrStderr(), "%s is not encrypted: the network between can read the token\n", rpc.Redacted(c.Server))
			}
			if f, ok := cmd.InOrStdin().(*os.File); device || !typed && ok && term.IsTerminal(int(f.Fd())) {
				c.Token, err = approvedToken(cmd.Context(), cmd.ErrOrStderr(), c.Server)
			} else {
				c.Token, err = readToken(cmd.InOrStdin(), cmd.ErrOrStderr())
			}
			if err != nil {
				return err
			}
			who, err := verify(cmd.Context(), c)
			if err != nil {
				return err
			}
			if err := contexts.Write(name, c); err != nil {
				return err
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "signed in to %s as %s (%s); saved in the context %s\n", c.Where(), who.Name, who.Role, name)
			return selectContext(cmd, name)
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "name of the context (default: the host of SERVER)")
	cmd.Flags().BoolVar(&device, "device", false, "approve the sign-in in the console, also without a terminal")
	cmd.Flags().BoolVar(&typed, "with-token", false, "read a token, also from a terminal")
	cmd.MarkFlagsMutuallyExclusive("device", "with-token")
	cmdline.CommandLineOnly(cmd.Flags())
	return cmd
}

// loginContext returns the context in which the token will be saved, and its name.
func loginContext(name string, args []string) (string, contexts.Context, error) {
	if len(args) == 0 && name == "" {
		selected, err := contexts.Selected()
		if err != nil {
			return "", contexts.Context{}, err
		}
		name = selected.Current
	}
	c := contexts.Context{}
	if name != "" {
		var err error
		if c, err = contexts.Read(name); err != nil && (len(args) == 0 || !errors.Is(err, hodei.NotFound)) {
			return name, c, err
		}
	}
	if len(args) == 1 {
		c.Server, c.NATS, c.NATSContext = args[0], "", ""
	} else if c.Server == "" && name == "" {
		c.Server = session.DefaultServer
	}
	at, err := url.Parse(c.Server)
	if err != nil || !session.IsServer(c.Server) {
		return name, c, cmdline.Usagef("SERVER: a URL such as https://hodei.example.com required")
	}
	if name == "" {
		name = strings.ReplaceAll(at.Hostname(), ":", "-")
	}
	return name, c, nil
}

// plain reports whether the server is another machine, reached without encryption.
func plain(server string) bool {
	at, err := url.Parse(server)
	if err != nil || at.Scheme != "http" {
		return false
	}
	host := at.Hostname()
	return host != "localhost" && host != "::1" && !strings.HasPrefix(host, "127.")
}

// readToken reads the token from a terminal, without an echo, or else the first line.
func readToken(in io.Reader, screen io.Writer) (string, error) {
	var text string
	if f, ok := in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		fmt.Fprint(screen, "Token: ")
		typed, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(screen)
		if err != nil {
			return "", fmt.Errorf("read the token: %w", err)
		}
		text = string(typed)
	} else {
		line, err := bufio.NewReader(io.LimitReader(in, 4096)).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", fmt.Errorf("read the token: %w", err)
		}
		text = line
	}
	text = strings.TrimSpace(text)
	if _, _, err := token.Parse(text); err != nil {
		return "", cmdline.Usagef("%w", err)
	}
	return text, nil
}

// verify asks the server who the token belongs to.
func verify(ctx context.Context, c contexts.Context) (schemas.Identity, error) {
	who, err := client.HTTP(c.Server, client.WithToken(c.Token)).WhoAmI(ctx, schemas.Empty{})
	if err == nil && who.Kind == hodei.CallerLocal {
		err = hodei.Errorf(hodei.Conflict, "%s needs no token: it runs without --auth", c.Where())
	}
	return who, err
}
