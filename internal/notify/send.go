package notify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/hodei-jobs/hodei"
)

// Message is a message to send.
type Message struct {
	ID      hodei.NotificationID
	Event   hodei.NotifyEvent
	Kind    hodei.NotifyKind
	Address string
	// Key signs a webhook; nil for no signature. For a commit status it is the token.
	Key []byte
	// CreatedAt is the time of the change, Now the current time.
	CreatedAt, Now time.Time
	hodei.Notice
}

// Config configures a Sender.
type Config struct {
	Guard
	// SMTP is the server for e-mail; nil for none.
	SMTP *SMTP
	// Within bounds one attempt. Default: 10 s.
	Within time.Duration
	// Version is the version of the program.
	Version string
}

// Sender sends messages. It is safe for concurrent use.
type Sender struct {
	cfg  Config
	http *http.Client
}

// ErrFinal wraps the error of a message that its target refuses permanently.
var ErrFinal = errors.New("refused permanently")

// New returns a Sender. It keeps no connections: messages are rare.
func New(cfg Config) *Sender {
	if cfg.Within == 0 {
		cfg.Within = 10 * time.Second
	}
	dialer := &net.Dialer{Timeout: cfg.Within, Control: cfg.Guard.control}
	return &Sender{cfg: cfg, http: &http.Client{
		// No proxy of the environment: it would connect to addresses that the guard does not check.
		Transport:     &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true, ForceAttemptHTTP2: true, MaxResponseHeaderBytes: 64 << 10},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Send makes one attempt.
func (s *Sender) Send(ctx context.Context, m Message) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Within)
	defer cancel()
	switch m.Kind {
	case hodei.NotifyWebhook:
		return s.webhook(ctx, m)
	case hodei.NotifySlack:
		body, err := slack(m)
		if err != nil {
			return err
		}
		return s.post(ctx, m.Address, body, nil)
	case hodei.NotifyEmail:
		return s.mail(ctx, m)
	case hodei.NotifyGitHub, hodei.NotifyGitea, hodei.NotifyGitLab:
		return s.status(ctx, m)
	}
	return fmt.Errorf("%w: a message of kind %s is not known", ErrFinal, m.Kind)
}

// post sends JSON. The error has the status of the answer but not its body, which the owner of
// the pipeline may have no right to read.
func (s *Sender) post(ctx context.Context, address string, body []byte, header http.Header) error {
	status, _, err := s.request(ctx, http.MethodPost, address, body, header)
	if err != nil {
		return err
	}
	return refusal(status)
}

// request returns the status and the beginning of the answer.
func (s *Sender) request(ctx context.Context, method, address string, body []byte, header http.Header) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return 0, nil, fmt.Errorf("%w: the address is not valid", ErrFinal)
	}
	if header != nil {
		req.Header = header
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "hodei/"+s.cfg.Version)
	resp, err := s.http.Do(req)
	if err != nil {
		return 0, nil, plain(err)
	}
	defer resp.Body.Close()
	answer, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10)) // only the status matters
	return resp.StatusCode, answer, nil
}

// refusal returns the error for a status; nil for a success.
func refusal(status int) error {
	switch {
	case status >= 200 && status < 300:
		return nil
	case status == http.StatusGone:
		return fmt.Errorf("%w: the target answered 410", ErrFinal)
	case status >= 300 && status < 400:
		return fmt.Errorf("the target answered %d; redirects are not followed", status)
	}
	return fmt.Errorf("the target answered %d", status)
}

// plain returns the error without the address, which may be secret.
func plain(err error) error {
	var no refused
	if errors.As(err, &no) {
		return no
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return errors.New("the target did not answer in time")
	}
	return err
}
