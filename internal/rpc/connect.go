package rpc

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hodei-jobs/hodei"
)

// Connect connects to NATS under a name that operators see in its connection
// list. It fails at once if NATS is unreachable. Once connected, it reconnects
// without limit, and a publish while disconnected fails instead of waiting.
func Connect(server, name string, log *slog.Logger, opts ...nats.Option) (*nats.Conn, error) {
	opts = append([]nats.Option{
		nats.Name(name),
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
			log.Warn("nats error", "connection", name, "subject", subject, "err", err)
		}),
	}, opts...)
	nc, err := nats.Connect(server, opts...)
	if err != nil {
		return nil, &hodei.Error{
			Code: hodei.Unavailable, Err: withoutURL(err),
			Message: fmt.Sprintf("connect to NATS at %s: is it running? (nats-server -c nats.conf, or hodei up)", Redacted(server)),
		}
	}
	return nc, nil
}
