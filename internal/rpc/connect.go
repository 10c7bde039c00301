package rpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
)

// Connect connects to NATS under a name that operators see in its connection
// list. It fails at once if NATS is unreachable. Once connected, it reconnects
// without limit, and a publish while disconnected fails instead of waiting.
//
// The name also determines where replies arrive: those of "hodei edge" below _INBOX.edge, so
// that NATS permissions let no user read the replies to another one.
func Connect(server, name string, log *slog.Logger, opts ...nats.Option) (*nats.Conn, error) {
	opts = append([]nats.Option{
		nats.Name(name),
		nats.CustomInboxPrefix(schemas.InboxPrefix(identity(name))),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(200 * time.Millisecond),
		nats.ReconnectJitter(100*time.Millisecond, 500*time.Millisecond),
		nats.ReconnectBufSize(-1),
		nats.PingInterval(20 * time.Second),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				log.Warn("nats disconnected", "connection", name, "err", err)
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) { log.Info("nats reconnected", "connection", name) }),
		nats.ErrorHandler(func(_ *nats.Conn, sub *nats.Subscription, err error) {
			subject := ""
			if sub != nil {
				subject = sub.Subject
			}
			level := slog.LevelWarn
			if errors.Is(err, nats.ErrPermissionViolation) { // it stays until an operator acts
				level = slog.LevelError
			}
			log.Log(context.Background(), level, "nats error", "connection", name, "subject", subject, "err", err)
		}),
	}, opts...)
	nc, err := nats.Connect(server, opts...)
	if err != nil {
		remedy := "is it running? (nats-server -c nats.conf, or hodei up)"
		if errors.Is(err, nats.ErrAuthorization) {
			remedy = "it admits no user with these credentials (--nats-creds, --nats-nkey; a token of people; --join-file of a worker)"
		}
		return nil, &hodei.Error{
			Code: hodei.Unavailable, Err: withoutURL(err),
			Message: fmt.Sprintf("connect to NATS at %s: %s", Redacted(server), remedy),
		}
	}
	return nc, nil
}

// identity is the user of a connection by its name, in tokens of a subject: "hodei worker W"
// becomes "worker.W".
func identity(name string) string {
	tokens := strings.FieldsFunc(strings.TrimPrefix(name, "hodei "), func(r rune) bool { return strings.ContainsRune(" .*>\t\r\n", r) })
	if len(tokens) == 0 {
		return "hodei"
	}
	return strings.Join(tokens, ".")
}
