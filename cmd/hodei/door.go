package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/bcrypt"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
	"github.com/hodei-jobs/hodei/internal/cli/contexts"
	"github.com/hodei-jobs/hodei/internal/local"
	"github.com/hodei-jobs/hodei/internal/permit"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/internal/system"
	"github.com/hodei-jobs/hodei/internal/token"
	"github.com/hodei-jobs/hodei/postgres"
	"github.com/hodei-jobs/hodei/services/access"
)

// door is the access control of a `hodei up --auth`: the keys of its NATS, which last as long
// as the process, and the first token.
type door struct {
	db      *postgres.DB
	callout *access.CalloutKeys // nil without access control, and for a NATS of one's own
}

// guard makes the embedded NATS ask the access service who may connect, except this process.
func (d *door) guard(cfg *local.NATSConfig) (err error) {
	if d.callout, err = access.NewCalloutKeys(); err != nil {
		return err
	}
	password := rand.Text()
	hidden, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost) // it is random, so the cost adds nothing
	if err != nil {
		return err
	}
	own := permit.User{Name: "hodei", Password: string(hidden), Unrestricted: true}
	accounts := permit.Accounts{Users: []permit.User{own}}
	if accounts.Issuer, accounts.XKey, err = d.callout.Public(); err != nil {
		return err
	}
	cfg.Conf, cfg.User, cfg.Password = accounts.Conf(), own.Name, password
	return nil
}

// service completes the configuration of the access service.
func (d *door) service(cfg *access.Config) *access.Config {
	cfg.Callout = d.callout
	return cfg
}

// open connects to the record.
func (d *door) open(ctx context.Context, databaseURL string) (err error) {
	d.db, err = postgres.Open(ctx, databaseURL, 2)
	return err
}

func (d *door) close() {
	if d.db != nil {
		d.db.Close()
	}
}

// find returns the token with this text, or NOT_FOUND if it is not valid.
func find(ctx context.Context, db *postgres.DB, text string) (hodei.Token, error) {
	kind, hash, err := token.Parse(text)
	if err != nil || kind != token.Person {
		return hodei.Token{}, hodei.Missing("token", "")
	}
	t, err := db.TokenByHash(ctx, hash[:])
	if err == nil && t.ExpiresAt != nil && !time.Now().Before(*t.ExpiresAt) {
		err = hodei.Missing("token", t.ID.String())
	}
	return t, err
}

// firstToken returns the token of the data directory, and makes one if there is none that is
// valid. Only the owner of the directory can read it.
func (d *door) firstToken(ctx context.Context, dir string) (t hodei.Token, text, path string, err error) {
	path, db := filepath.Join(dir, "admin-token"), d.db
	known, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return t, "", path, err
	}
	text = strings.TrimSpace(string(known))
	if t, err = find(ctx, db, text); !errors.Is(err, hodei.NotFound) {
		return t, text, path, err
	}
	made, err := access.NewToken(ctx, db, hodei.Token{Name: "hodei up", Role: hodei.Admin})
	if err != nil {
		return t, "", path, err
	}
	return made.Token, made.Text, path, replaceFile(path, made.Text+"\n")
}

// replaceFile writes a file that only its owner can read, in one step.
func replaceFile(path, text string) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails once it is renamed
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// signInLink returns the address at which a browser signs in, once. The secret is in the
// fragment, which a browser sends to no server.
func (d *door) signInLink(ctx context.Context, base string, of hodei.TokenID) (string, error) {
	text := token.New(token.Link)
	_, hash, err := token.Parse(text)
	if err != nil {
		return "", err
	}
	if _, err := d.db.CreateSession(ctx, of, hash[:], true); err != nil {
		return "", err
	}
	return base + "/ui/#signin=" + text, nil
}

// localContext is the name of the context that `up --auth` writes.
const localContext = "local"

// welcomeAuth makes the first token, configures the command line of this user and prints how
// to sign in.
func (f *upFlags) welcomeAuth(ctx context.Context, screen io.Writer, s *system.System, d *door, dir string, servers *servers) {
	addrs, base := reachable(s)
	t, text, path, err := d.firstToken(ctx, dir)
	link := ""
	if err == nil {
		link, err = d.signInLink(ctx, base, t.ID)
	}
	if err != nil {
		fmt.Fprintf(screen, "ready, but the first token could not be made: %v\n`hodei token bootstrap --database-url …` makes one\n", err)
		return
	}
	use := " --token-file " + path + " --server " + base
	if !f.ephemeral {
		use = f.configure(screen, base, text)
	}
	fmt.Fprintf(screen, `ready

  console         %s
                  (signs in once, within %s)
  orchestrator    %s
  scheduler       %s
  worker manager  %s
  nats            %s (any user, with a token as password)
  admin token     %s

Try, in another terminal:

  hodei exec%s -- echo hello
  hodei token create%s --name ci --role developer

Ctrl-C stops everything.
`, link, postgres.LinkLife, addrs[0], addrs[1], addrs[2], rpc.Redacted(servers.natsURL), path, use, use)
}

// configure saves the token in the context of this system, unless a context of that name
// is for another one. It returns the flag that commands need.
func (f *upFlags) configure(screen io.Writer, base, text string) (use string) {
	c, err := contexts.Read(localContext)
	if err == nil && c.Server != base {
		fmt.Fprintf(screen, "the context %s is for %s and was left as it is\n", localContext, c.Where())
		return " --server " + base + " --token-file …"
	}
	if err = contexts.Write(localContext, contexts.Context{Description: "hodei up --auth", Server: base, Token: text, Output: c.Output}); err != nil {
		fmt.Fprintf(screen, "the context %s could not be written: %v\n", localContext, err)
		return " --server " + base + " --token-file …"
	}
	selected, err := contexts.Selected()
	if err == nil && selected.Current == "" {
		err = contexts.Select(contexts.Selection{Current: localContext})
		selected.Current = localContext
	}
	if err != nil || selected.Current != localContext {
		return " --context " + localContext
	}
	return ""
}

// addBootstrap adds `token bootstrap`, which needs the database instead of the API.
func addBootstrap(root *cobra.Command) {
	f := &roleFlags{}
	var name string
	cmd := &cobra.Command{
		Use: "bootstrap", Args: cobra.NoArgs, Short: "Create a token for an admin in the database: the first one, or when all are lost",
		Long: `Create a token for an admin in the database, without a token. Who can connect to the
database can do everything anyway. It prints the token, this once; only a hash is
recorded. Revoke it with hodei token rm.`,
		Example: "  hodei token bootstrap --database-url-file /etc/hodei/database-url",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.database == "" {
				return cmdline.Usagef("%w", errNoDatabase)
			}
			db, err := postgres.Open(cmd.Context(), f.database, 1)
			if err != nil {
				return err
			}
			defer db.Close()
			if _, err := db.Migrate(cmd.Context()); err != nil {
				return err
			}
			made, err := access.NewToken(cmd.Context(), db, hodei.Token{Name: name, Role: hodei.Admin})
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "%s is for an admin and does not expire; `hodei login` saves it\n", made.ID)
			fmt.Fprintln(cmd.OutOrStdout(), made.Text)
			return nil
		},
	}
	cmd.Flags().StringVar(&name, "name", "bootstrap", "name of the token")
	f.addDatabase(cmd.Flags())
	for _, noun := range root.Commands() {
		if noun.Name() == "token" {
			noun.AddCommand(cmd)
		}
	}
}
