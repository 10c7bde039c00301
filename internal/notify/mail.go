package notify

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"net/smtp"
	"net/textproto"
	"net/url"
	"strings"
	"time"

	"github.com/hodei-jobs/hodei"
)

// SMTP is a server that accepts e-mail.
type SMTP struct {
	// Addr is host:port. If Implicit is true, the connection begins with TLS; if Insecure is
	// true, there is no TLS; otherwise the server must offer STARTTLS.
	Addr               string
	Implicit, Insecure bool
	// From is the sender.
	From mail.Address
	// User and Password are for servers that require them.
	User, Password string
	// Roots verify the certificate of the server; nil for the roots of the system.
	Roots *x509.CertPool
}

// ParseSMTP reads the URL of a server: smtp://host[:587], which must offer STARTTLS,
// smtps://host[:465], or smtp+insecure://host[:25], without TLS.
func ParseSMTP(text string) (*SMTP, error) {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.User != nil || strings.Trim(u.Path, "/") != "" {
		return nil, errors.New("smtp://host:port, smtps://host:port or smtp+insecure://host:port required")
	}
	s, port := &SMTP{}, u.Port()
	switch u.Scheme {
	case "smtp":
		port = cmp.Or(port, "587")
	case "smtps":
		s.Implicit, port = true, cmp.Or(port, "465")
	case "smtp+insecure":
		s.Insecure, port = true, cmp.Or(port, "25")
	default:
		return nil, errors.New("smtp://host:port, smtps://host:port or smtp+insecure://host:port required")
	}
	s.Addr = net.JoinHostPort(u.Hostname(), port)
	return s, nil
}

func (s *Sender) mail(ctx context.Context, m Message) error {
	server := s.cfg.SMTP
	if server == nil {
		return errors.New("no server for e-mail is configured: an operator can set one with --smtp-server")
	}
	err := server.send(ctx, m)
	var answer *textproto.Error
	if errors.As(err, &answer) {
		// The text of the answer may contain anything, so only its code is reported.
		err = fmt.Errorf("the server for e-mail answered %d", answer.Code)
		if answer.Code == 550 || answer.Code == 553 { // the address is refused
			err = fmt.Errorf("%w: %w", ErrFinal, err)
		}
	}
	return plain(err)
}

func (s *SMTP) send(ctx context.Context, m Message) error {
	c, err := s.dial(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }() // after Quit it is closed
	if s.User != "" {
		host, _, _ := net.SplitHostPort(s.Addr)
		if err := c.Auth(smtp.PlainAuth("", s.User, s.Password, host)); err != nil {
			return err
		}
	}
	if err := c.Mail(s.From.Address); err != nil {
		return err
	}
	if err := c.Rcpt(m.Address); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(s.letter(m)); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	_ = c.Quit() // the server has taken the message
	return nil
}

// dial connects, with TLS unless the server is Insecure.
func (s *SMTP) dial(ctx context.Context) (*smtp.Client, error) {
	host, _, err := net.SplitHostPort(s.Addr)
	if err != nil {
		return nil, err
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.Addr)
	if err != nil {
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline)
	}
	secure := &tls.Config{ServerName: host, RootCAs: s.Roots}
	if s.Implicit {
		conn = tls.Client(conn, secure)
	}
	c, err := smtp.NewClient(conn, host)
	if err != nil {
		conn.Close()
		return nil, err
	}
	if s.Implicit || s.Insecure {
		return c, nil
	}
	if err := c.StartTLS(secure); err != nil {
		_ = c.Close()
		return nil, fmt.Errorf("STARTTLS: %w", err)
	}
	return c, nil
}

// letter returns the message in the format of RFC 5322.
func (s *SMTP) letter(m Message) []byte {
	var b bytes.Buffer
	domain := "hodei"
	if _, after, ok := strings.Cut(s.From.Address, "@"); ok {
		domain = after
	}
	field := func(name, value string) { fmt.Fprintf(&b, "%s: %s\r\n", name, value) }
	field("From", s.From.String())
	field("To", (&mail.Address{Address: m.Address}).String())
	field("Subject", mime.QEncoding.Encode("utf-8", "[Hodei] "+headline(m)))
	field("Date", m.CreatedAt.UTC().Format(time.RFC1123Z))
	field("Message-ID", "<"+m.ID.String()+"@"+domain+">")
	field("Auto-Submitted", "auto-generated")
	field("MIME-Version", "1.0")
	field("Content-Type", "text/plain; charset=utf-8")
	field("Content-Transfer-Encoding", "quoted-printable")
	b.WriteString("\r\n")
	text := headline(m) + "\n\n" + strings.Join(details(m), "\n") + "\n"
	if m.URL != "" {
		text += "\n" + m.URL + "\n"
	}
	w := quotedprintable.NewWriter(&b)
	_, _ = w.Write([]byte(strings.ReplaceAll(text, "\n", "\r\n"))) // a buffer
	_ = w.Close()
	return b.Bytes()
}

// LinkOf returns the URL of the page of a run in the console; "" without a public address.
func LinkOf(public string, id *hodei.RunID) string {
	if public == "" || id == nil {
		return ""
	}
	return strings.TrimSuffix(public, "/") + "/ui/runs/" + id.String()
}
