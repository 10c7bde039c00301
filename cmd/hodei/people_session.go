package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/client"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
)

// session is one command at work: whom it asks, and where it prints. Data goes
// to out, words to errs.
type session struct {
	*client.Client
	out, errs io.Writer
	format    string // of --output
	color     bool
	at        string // whom it asks, fit to be shown
	url       string // of the API; over NATS nobody asks there
	changes   func(flag string) bool
	context   string     // the context that said so, if any
	flag      string     // the flag that leads there again, "" when none is needed
	nc        *nats.Conn // nil over HTTP
	now       func() time.Time
	close     func()
}

func (p *people) open(cmd *cobra.Command) (*session, error) {
	s := &session{
		out: cmd.OutOrStdout(), errs: cmd.ErrOrStderr(), format: p.output, color: colorful(cmd.OutOrStdout()),
		at: rpc.Redacted(p.server), url: p.server, changes: cmd.Flags().Changed, context: p.context, flag: p.flag, now: time.Now, close: func() {},
	}
	if p.nats == "" && p.natsContext == "" {
		s.Client = client.HTTP(p.server)
		return s, nil
	}
	if err := p.connect(s, cmd.Name()); err != nil {
		return nil, err
	}
	s.Client, s.close = client.NATS(s.nc), s.nc.Close
	return s, nil
}

// connect connects to NATS, as a nats context says or by URL.
func (p *people) connect(s *session, name string) error {
	at, opts := p.nats, []nats.Option(nil)
	if p.natsContext != "" {
		c, err := readNATSContext(p.natsContext)
		if err != nil {
			return err
		}
		if opts, err = c.options(); err != nil {
			return fmt.Errorf("nats context %s: %w", p.natsContext, err)
		}
		at = c.URL
	}
	s.at = rpc.Redacted(at)
	nc, err := rpc.Connect(at, "hodei "+name, slog.New(slog.DiscardHandler), opts...)
	var known *hodei.Error
	switch {
	case errors.As(err, &known):
		return s.unreachable(known.Err) // its own words are for whoever starts a role
	case err != nil:
		return s.unreachable(err)
	}
	s.nc = nc
	return nil
}

// colorful reports whether statuses may be coloured: a person is looking.
func colorful(w io.Writer) bool {
	return os.Getenv("NO_COLOR") == "" && terminal(w)
}

// explain turns an error into one that helps the person who reads it.
func (s *session) explain(ctx context.Context, err error) error {
	var request *url.Error
	switch {
	case err == nil || errors.As(err, new(exitStatus)):
		return err
	case ctx.Err() != nil:
		return exitStatus(interruptedStatus) // they know
	case errors.Is(err, hodei.Unavailable) && errors.As(err, &request):
		return s.unreachable(request.Err)
	}
	return err
}

// interruptedStatus is what a shell reports of a command ended by Ctrl-C.
const interruptedStatus = 130

func (s *session) unreachable(cause error) error {
	return hodei.Errorf(hodei.Unavailable,
		"%s is unreachable: %v; `hodei up` starts everything here, --server, --nats or --context name a system elsewhere", s.at, cause)
}

// ask performs the operation and prints the reply: as --output wants it, for
// people by show.
func ask[Req, Rep any](ctx context.Context, s *session, op schemas.Operation[Req, Rep], req Req, show func(Rep) error) error {
	body, _, err := s.Raw(ctx, op.Op, req)
	if err != nil {
		return err
	}
	return present(s, op.Name, body, show)
}

func present[Rep any](s *session, name string, body []byte, show func(Rep) error) error {
	if s.format != "table" && s.format != "" {
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
func (s *session) convey(name string, body []byte) (err error) {
	body = bytes.TrimRight(body, "\n")
	if len(body) == 0 {
		return nil
	}
	switch s.format {
	case "yaml":
		body, err = asYAML(body)
	case "name":
		body, err = idsOf(body)
	default:
		body = append(body, '\n')
	}
	if err != nil {
		return fmt.Errorf("print reply of %s as %s: %w", name, s.format, err)
	}
	_, err = forTerminal(s.out, nil).Write(body)
	return err
}

// say tells the person something, beside the data.
func (s *session) say(format string, args ...any) {
	fmt.Fprintf(s.errs, format+"\n", args...) // standard error is the last place to complain
}

// terminal reports whether a person sees what is written to w as it is written.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// command is how to type another command to the same system.
func (s *session) command(format string, args ...any) string {
	return "hodei " + fmt.Sprintf(format, args...) + s.flag
}
