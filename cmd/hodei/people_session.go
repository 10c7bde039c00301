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
	out, errs   io.Writer
	json, color bool
	at          string // the URL asked, fit to be shown
	flag        string // the flag that leads there again, "" when none is needed
	now         func() time.Time
	close       func()
}

func (p *people) open(cmd *cobra.Command) (*session, error) {
	s := &session{
		out: cmd.OutOrStdout(), errs: cmd.ErrOrStderr(), json: p.output == "json", color: colorful(cmd.OutOrStdout()),
		at: redacted(p.server), flag: p.flag, now: time.Now, close: func() {},
	}
	if p.nats == "" {
		s.Client = client.HTTP(p.server)
		return s, nil
	}
	s.at = redacted(p.nats)
	nc, err := rpc.Connect(p.nats, "hodei "+cmd.Name(), slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, s.unreachable(errors.Unwrap(err)) // rpc's own words would show a password
	}
	s.Client, s.close = client.NATS(nc), nc.Close
	return s, nil
}

func redacted(text string) string {
	if u, err := url.Parse(text); err == nil {
		return u.Redacted()
	}
	return text
}

// colorful reports whether statuses may be coloured: a person is looking.
func colorful(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && os.Getenv("NO_COLOR") == "" && term.IsTerminal(int(f.Fd()))
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
		"%s is unreachable: %v; `hodei up` starts everything here, --server or --nats name a system elsewhere", s.at, cause)
}

// ask performs the operation and prints the reply: as it came with -o json,
// else by show.
func ask[Req, Rep any](ctx context.Context, s *session, op schemas.Operation[Req, Rep], req Req, show func(Rep) error) error {
	body, _, err := s.Raw(ctx, op.Op, req)
	if err != nil {
		return err
	}
	return present(s, op.Name, body, show)
}

func present[Rep any](s *session, name string, body []byte, show func(Rep) error) error {
	if s.json {
		_, err := s.out.Write(append(bytes.TrimRight(body, "\n"), '\n'))
		return err
	}
	var rep Rep
	if err := json.Unmarshal(body, &rep); err != nil {
		return fmt.Errorf("decode reply of %s: %w", name, err)
	}
	return show(rep)
}

// say tells the person something, beside the data.
func (s *session) say(format string, args ...any) {
	fmt.Fprintf(s.errs, format+"\n", args...) // standard error is the last place to complain
}

// command is how to type another command to the same system.
func (s *session) command(format string, args ...any) string {
	return "hodei " + fmt.Sprintf(format, args...) + s.flag
}
