package session

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/spf13/cobra"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/client"
	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
	"github.com/hodei-jobs/hodei/internal/cli/contexts"
	"github.com/hodei-jobs/hodei/internal/cli/render"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
)

// Session is one command at work: its connection and its output. Data goes to Out,
// messages for the person to Errs.
type Session struct {
	*client.Client
	Out, Errs io.Writer
	screen    io.Writer // shows Out, which is a buffer within --watch; nil elsewhere
	Format    string    // of --output
	color     bool
	At        string // address of the system, without a password
	URL       string // of the API; not used over NATS
	Changed   func(flag string) bool
	Context   string     // the context that the address is from, if any
	Flag      string     // the flag that leads to the same system, "" when none is needed
	NATS      *nats.Conn // nil over HTTP
	Now       func() time.Time
	token     bool // one is sent
	names     *names
	close     func()
}

// Printing is a session that only prints: it is connected to no system, and has no names for ids.
func Printing(out, errs io.Writer, format string) *Session {
	s := &Session{Out: out, Errs: errs, Format: format, Now: time.Now, names: &names{}, close: func() {}}
	s.names.unavailable(true)
	return s
}

// open connects to the system.
func (p *Flags) open(cmd *cobra.Command) (*Session, error) {
	s := &Session{
		Out: cmd.OutOrStdout(), Errs: cmd.ErrOrStderr(), Format: p.output, color: render.InColor(cmd.OutOrStdout()),
		At: rpc.Redacted(p.server), URL: p.server, Changed: cmd.Flags().Changed, Context: p.context, Flag: p.flag, Now: time.Now,
		token: p.token != "", names: &names{}, close: func() {},
	}
	if p.nats == "" && p.natsContext == "" {
		s.Client = client.HTTP(p.server, client.WithToken(p.token))
		return s, nil
	}
	if err := p.connect(s, cmd.Name()); err != nil {
		return nil, err
	}
	s.Client, s.close = client.NATS(s.NATS), s.NATS.Close
	return s, nil
}

// connect connects to NATS with a context of the nats command or by URL.
func (p *Flags) connect(s *Session, name string) error {
	at, opts := p.nats, []nats.Option(nil)
	if p.natsContext != "" {
		var err error
		if at, opts, err = contexts.NATS(p.natsContext); err != nil {
			return err
		}
	} else if p.token != "" {
		var err error
		if opts, err = client.TokenOptions(p.token); err != nil {
			return err
		}
	}
	s.At = rpc.Redacted(at)
	nc, err := rpc.Connect(at, "hodei "+name, slog.New(slog.DiscardHandler), opts...)
	var known *hodei.Error
	switch {
	case errors.Is(err, nats.ErrAuthorization):
		remedy := signIn
		if p.natsContext != "" {
			remedy = "see the credentials of the nats context " + p.natsContext
		}
		return hodei.Errorf(hodei.Unauthenticated, "%s: %v; %s", s.At, nats.ErrAuthorization, remedy)
	case errors.As(err, &known):
		return s.unreachable(known.Err) // the message is for the operator who starts a role
	case err != nil:
		return s.unreachable(err)
	}
	s.NATS = nc
	return nil
}

// explain turns an error into one that helps the person who reads it.
func (s *Session) explain(ctx context.Context, err error) error {
	var request *url.Error
	switch {
	case err == nil || errors.As(err, new(cmdline.ExitStatus)):
		return err
	case ctx.Err() != nil:
		return cmdline.ExitStatus(InterruptedStatus) // the person pressed Ctrl-C
	case errors.Is(err, hodei.Unavailable) && errors.As(err, &request):
		return s.unreachable(request.Err)
	case errors.Is(err, hodei.Unauthenticated) && s.NATS == nil:
		why := "a token is required"
		if s.token {
			why = hodei.AsError(err).Message
		}
		return hodei.Errorf(hodei.Unauthenticated, "%s: %s; %s", s.At, why, signIn)
	}
	return err
}

// signIn is what a person can do about a token that is missing or not valid.
const signIn = "`hodei login` saves a token, HODEI_TOKEN and --token-file give one"

// InterruptedStatus is the exit status of a command ended by Ctrl-C.
const InterruptedStatus = 130

func (s *Session) unreachable(cause error) error {
	return hodei.Errorf(hodei.Unavailable,
		"%s is unreachable: %v; `hodei up` starts everything here, --server, --nats or --context name a system elsewhere", s.At, cause)
}

// Ask performs the operation and prints the reply in the format of --output; show prints
// the table.
func Ask[Req, Rep any](ctx context.Context, s *Session, op schemas.Operation[Req, Rep], req Req, show func(Rep) error) error {
	body, _, err := s.Raw(ctx, op.Op, req)
	if err != nil {
		return err
	}
	return Present(s, op.Name, body, show)
}

// Present prints the body of a reply in the format of --output; show prints the table.
func Present[Rep any](s *Session, name string, body []byte, show func(Rep) error) error {
	if s.Format != "table" && s.Format != "" {
		return s.convey(name, body)
	}
	var rep Rep
	if len(body) > 0 { // 204 has none
		if err := json.Unmarshal(body, &rep); err != nil {
			return fmt.Errorf("decode reply of %s: %w", name, err)
		}
	}
	return show(rep)
}

// convey prints a reply for programs.
func (s *Session) convey(name string, body []byte) (err error) {
	body = bytes.TrimRight(body, "\n")
	if len(body) == 0 {
		return nil
	}
	switch s.Format {
	case "yaml":
		body, err = render.YAML(body)
	case "name":
		body, err = render.IDs(body)
	default:
		body = append(body, '\n')
	}
	if err != nil {
		return fmt.Errorf("print reply of %s as %s: %w", name, s.Format, err)
	}
	_, err = render.ForTerminal(s.Out, nil).Write(body)
	return err
}

// Note prints a message for the person, beside the data.
func (s *Session) Note(format string, args ...any) {
	fmt.Fprintf(s.Errs, format+"\n", args...) // standard error is the last place to complain
}

// Hint is the command line of another command for the same system.
func (s *Session) Hint(format string, args ...any) string {
	return "hodei " + fmt.Sprintf(format, args...) + s.Flag
}
