package notify

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"net/mail"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
)

// mailbox is a server for e-mail that keeps what it accepts.
type mailbox struct {
	mu      sync.Mutex
	letters []string
	roots   *x509.CertPool
	addr    string
}

// post is one connection to it.
type post struct {
	box    *mailbox
	authed bool
}

func (b *mailbox) NewSession(*smtp.Conn) (smtp.Session, error) { return &post{box: b}, nil }

func (p *post) AuthMechanisms() []string { return []string{sasl.Plain} }

func (p *post) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if p.authed = user == "hodei" && password == "hunter2hunter2"; !p.authed {
			return errors.New("wrong password")
		}
		return nil
	}), nil
}

func (p *post) Mail(string, *smtp.MailOptions) error {
	if !p.authed {
		return smtp.ErrAuthRequired
	}
	return nil
}

func (p *post) Rcpt(to string, _ *smtp.RcptOptions) error {
	if to == "nobody@example.com" {
		return &smtp.SMTPError{Code: 550, Message: "no such mailbox at secret host"}
	}
	return nil
}

func (p *post) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	p.box.mu.Lock()
	defer p.box.mu.Unlock()
	p.box.letters = append(p.box.letters, string(text))
	return err
}

func (*post) Reset()        {}
func (*post) Logout() error { return nil }

// openMailbox starts a server that offers STARTTLS, or has TLS from the start.
func openMailbox(t *testing.T, implicit bool) *mailbox {
	t.Helper()
	web := httptest.NewTLSServer(nil) // for its certificate, of example.com and 127.0.0.1
	t.Cleanup(web.Close)
	b := &mailbox{roots: x509.NewCertPool()}
	b.roots.AddCert(web.Certificate())
	srv := smtp.NewServer(b)
	srv.TLSConfig = &tls.Config{Certificates: web.TLS.Certificates}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	b.addr = l.Addr().String()
	if implicit {
		l = tls.NewListener(l, srv.TLSConfig)
	}
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(func() { srv.Close() })
	return b
}

func (b *mailbox) server(t *testing.T, scheme string) *SMTP {
	t.Helper()
	s, err := ParseSMTP(scheme + "://" + b.addr)
	require.NoError(t, err)
	s.From, s.User, s.Password, s.Roots = mail.Address{Name: "Hodei", Address: "hodei@example.com"}, "hodei", "hunter2hunter2", b.roots
	return s
}

func TestEmailReachesAMailbox(t *testing.T) {
	for _, scheme := range []string{"smtp", "smtps"} {
		t.Run(scheme, func(t *testing.T) {
			box := openMailbox(t, scheme == "smtps")
			m := message(t, hodei.NotifyEmail, "team@example.com")
			m.Pipeline = "tienda-ñ"
			require.NoError(t, New(Config{SMTP: box.server(t, scheme)}).Send(t.Context(), m))
			require.Len(t, box.letters, 1)
			letter, err := mail.ReadMessage(strings.NewReader(box.letters[0]))
			require.NoError(t, err)
			require.Equal(t, "<team@example.com>", letter.Header.Get("To"))
			require.Equal(t, `"Hodei" <hodei@example.com>`, letter.Header.Get("From"))
			require.Equal(t, "=?utf-8?q?[Hodei]_tienda-=C3=B1#42_failed?=", letter.Header.Get("Subject"))
			require.Equal(t, "<"+m.ID.String()+"@example.com>", letter.Header.Get("Message-ID"))
			require.Contains(t, box.letters[0], "https://hodei.example.com/ui/runs/run_1")
		})
	}
}

func TestEmailIsNeverSentWithoutTLSUnlessAllowed(t *testing.T) {
	box := openMailbox(t, false)
	m := message(t, hodei.NotifyEmail, "team@example.com")
	stranger := box.server(t, "smtp")
	stranger.Roots = x509.NewCertPool()
	require.ErrorContains(t, New(Config{SMTP: stranger}).Send(t.Context(), m), "certificate")
	require.Empty(t, box.letters)
	_, err := ParseSMTP("http://example.com")
	require.Error(t, err)
	_, err = ParseSMTP("smtp://user:password@example.com")
	require.Error(t, err)
}

func TestAnAddressThatDoesNotExistIsGivenUp(t *testing.T) {
	box := openMailbox(t, false)
	s := New(Config{SMTP: box.server(t, "smtp")})
	err := s.Send(t.Context(), message(t, hodei.NotifyEmail, "nobody@example.com"))
	require.ErrorIs(t, err, ErrFinal)
	require.NotContains(t, err.Error(), "secret host")
	wrong := box.server(t, "smtp")
	wrong.Password = "wrong"
	err = New(Config{SMTP: wrong}).Send(t.Context(), message(t, hodei.NotifyEmail, "team@example.com"))
	require.Error(t, err)
	require.NotErrorIs(t, err, ErrFinal)
	require.ErrorContains(t, New(Config{}).Send(t.Context(), message(t, hodei.NotifyEmail, "team@example.com")), "--smtp-server")
}
