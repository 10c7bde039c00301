package access

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei/internal/local/localtest"
	"github.com/hodei-jobs/hodei/schemas"
)

// holding is a log that holds decisions before they are answered.
type holding struct{ inside, release chan struct{} }

func (h holding) Write(line []byte) (int, error) {
	select {
	case h.inside <- struct{}{}:
	default: // not the first
	}
	<-h.release
	return len(line), nil
}

// question is what NATS asks about a connection, without a token.
func question(t *testing.T, keys *CalloutKeys) *nats.Msg {
	t.Helper()
	server, err := nkeys.CreateServer()
	require.NoError(t, err)
	user, err := nkeys.CreateUser()
	require.NoError(t, err)
	public, err := user.PublicKey()
	require.NoError(t, err)
	claims := jwt.NewAuthorizationRequestClaims(public)
	claims.UserNkey = public
	claims.Server.ID, err = server.PublicKey()
	require.NoError(t, err)
	text, err := claims.Encode(server)
	require.NoError(t, err)
	box, err := nkeys.CreateCurveKeys()
	require.NoError(t, err)
	from, err := box.PublicKey()
	require.NoError(t, err)
	_, to, err := keys.Public()
	require.NoError(t, err)
	sealed, err := box.Seal([]byte(text), to)
	require.NoError(t, err)
	return &nats.Msg{Subject: schemas.CalloutSubject, Header: nats.Header{schemas.HeaderCalloutKey: {from}}, Data: sealed}
}

// TestStopAnswersEachDecision: an instance that stops takes no more questions, and ends when the
// one in progress is answered.
func TestStopAnswersEachDecision(t *testing.T) {
	t.Parallel()
	url := localtest.NATS(t)
	nc, server := localtest.Connect(t, url), localtest.Connect(t, url)
	keys, err := NewCalloutKeys()
	require.NoError(t, err)
	log := holding{make(chan struct{}, 1), make(chan struct{})}
	s := &Service{nc: nc, log: slog.New(slog.NewTextHandler(log, nil)), callout: keys}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- s.followCallout(ctx) }()
	asked := question(t, keys)
	asked.Reply = server.NewInbox()
	answers, err := server.SubscribeSync(asked.Reply)
	require.NoError(t, err)
	follows := func() bool { // an empty message gets no answer
		_, err := server.Request(schemas.CalloutSubject, nil, 20*time.Millisecond)
		return !errors.Is(err, nats.ErrNoResponders)
	}
	require.Eventually(t, func() bool { return nc.NumSubscriptions() == 1 && nc.Flush() == nil }, time.Minute, time.Millisecond)
	require.NoError(t, server.PublishMsg(asked))
	<-log.inside
	stop()
	require.Eventually(t, func() bool { return !follows() }, time.Minute, time.Millisecond)
	select {
	case err := <-ended:
		t.Fatalf("ended while a decision is in progress: %v", err)
	default:
	}
	close(log.release)
	require.NoError(t, <-ended)
	nc.Close()
	_, err = answers.NextMsg(time.Minute)
	require.NoError(t, err)
}
