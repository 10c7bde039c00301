package access

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/permit"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/internal/token"
	"github.com/hodei-jobs/hodei/schemas"
)

// CalloutKeys are the keys with which the access service signs its decisions who may connect to
// NATS. All instances have the same keys, and nats.conf has the public ones.
type CalloutKeys struct {
	issuer nkeys.KeyPair // signs decisions
	box    nkeys.KeyPair // decrypts questions
}

// NewCalloutKeys makes new keys.
func NewCalloutKeys() (*CalloutKeys, error) {
	issuer, err := nkeys.CreateAccount()
	if err != nil {
		return nil, fmt.Errorf("make callout keys: %w", err)
	}
	box, err := nkeys.CreateCurveKeys()
	if err != nil {
		return nil, fmt.Errorf("make callout keys: %w", err)
	}
	return &CalloutKeys{issuer, box}, nil
}

// LoadCalloutKeys reads the keys from a file that contains Seeds.
func LoadCalloutKeys(path string) (*CalloutKeys, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read callout keys: %w", err)
	}
	var k CalloutKeys
	for _, line := range strings.Fields(string(text)) {
		switch {
		case strings.HasPrefix(line, "SA"):
			k.issuer, err = nkeys.FromSeed([]byte(line))
		case strings.HasPrefix(line, "SX"):
			k.box, err = nkeys.FromCurveSeed([]byte(line))
		}
		if err != nil {
			return nil, fmt.Errorf("read callout keys in %s: %w", path, err)
		}
	}
	if k.issuer == nil || k.box == nil {
		return nil, hodei.Errorf(hodei.Invalid, "%s has no callout keys: a seed that begins with SA and one with SX, as `hodei setup` writes them", path)
	}
	return &k, nil
}

// Seeds is the content of the file with the keys.
func (k *CalloutKeys) Seeds() (string, error) {
	issuer, err := k.issuer.Seed()
	if err != nil {
		return "", err
	}
	box, err := k.box.Seed()
	return fmt.Sprintf("%s\n%s\n", issuer, box), err
}

// Public are the public keys for nats.conf.
func (k *CalloutKeys) Public() (issuer, xkey string, err error) {
	if issuer, err = k.issuer.PublicKey(); err == nil {
		xkey, err = k.box.PublicKey()
	}
	return issuer, xkey, err
}

const (
	// calloutGroup is the queue group of the instances.
	calloutGroup = schemas.Access
	// decideWithin bounds a decision: NATS waits as long, see permit.Accounts.
	decideWithin = 5 * time.Second
	// deciding bounds the decisions at a time, and so those that wait for Postgres.
	deciding = 64
)

// followCallout answers the requests of nats-server until ctx is done and each request that has
// arrived is answered: nats-server does not repeat them to another instance.
func (s *Service) followCallout(ctx context.Context) error {
	free := make(chan struct{}, deciding)
	sub, err := s.nc.QueueSubscribe(schemas.CalloutSubject, calloutGroup, func(msg *nats.Msg) {
		free <- struct{}{}
		go func() {
			defer rpc.Recover(s.log, "callout")
			defer func() { <-free }()
			s.decide(ctx, msg)
		}()
	})
	if err != nil {
		return fmt.Errorf("follow callout: %w", err)
	}
	<-ctx.Done()
	drained := make(chan struct{})
	sub.SetClosedHandler(func(string) { close(drained) })
	if err := sub.Drain(); err != nil || !s.nc.IsConnected() {
		return err
	}
	select {
	case <-drained:
	case <-time.After(decideWithin):
	}
	for range deciding { // until none is in progress, at most decideWithin
		free <- struct{}{}
	}
	return nil
}

// decide answers one request. A message that nats-server did not sign gets no answer.
func (s *Service) decide(ctx context.Context, msg *nats.Msg) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), decideWithin)
	defer cancel()
	server := msg.Header.Get(schemas.HeaderCalloutKey)
	text, err := s.callout.box.Open(msg.Data, server)
	if err != nil {
		s.log.WarnContext(ctx, "callout not understood: are the callout keys those of nats.conf?", "err", err)
		return
	}
	asked, err := jwt.DecodeAuthorizationRequestClaims(string(text))
	if err != nil {
		s.log.WarnContext(ctx, "callout not understood", "err", err)
		return
	}
	answer := jwt.NewAuthorizationResponseClaims(asked.UserNkey)
	answer.Audience = asked.Server.ID
	user, err := s.admit(ctx, asked)
	if err == nil {
		answer.Jwt, err = user.Encode(s.callout.issuer)
	}
	if err != nil {
		answer.Error = hodei.AsError(err).Message
		s.log.InfoContext(ctx, "connection to NATS refused", "host", asked.ClientInformation.Host, "name", asked.ConnectOptions.Name, "err", err)
	}
	signed, err := answer.Encode(s.callout.issuer)
	if err == nil {
		var sealed []byte
		if sealed, err = s.callout.box.Seal([]byte(signed), server); err == nil {
			err = msg.Respond(sealed)
		}
	}
	if err != nil {
		s.log.WarnContext(ctx, "callout not answered", "err", err)
	}
}

// admit returns the user for a connection, or the reason for refusing it.
func (s *Service) admit(ctx context.Context, asked *jwt.AuthorizationRequestClaims) (*jwt.UserClaims, error) {
	if asked.ConnectOptions.Nkey != "" {
		return s.admitWorker(ctx, asked)
	}
	return s.admitPerson(ctx, asked)
}

// admitPerson returns the user for a holder of a token.
func (s *Service) admitPerson(ctx context.Context, asked *jwt.AuthorizationRequestClaims) (*jwt.UserClaims, error) {
	kind, hash, err := token.Parse(asked.ConnectOptions.Password)
	if err != nil || kind != token.Person {
		return nil, hodei.Errorf(hodei.Unauthenticated, "The password is not a token of Hodei")
	}
	t, err := s.valid(ctx, hash[:])
	if err != nil {
		return nil, err
	}
	key, err := s.db.CallerKey(ctx)
	if err != nil {
		return nil, err
	}
	caller := callerOf(t, hodei.CallerToken, asked.ClientInformation.Host)
	user := newUser(asked, schemas.PeopleAccount, permit.Person(caller, schemas.InboxPrefix(hash.Inbox())))
	if user.Name, err = rpc.UserName(key, caller); err != nil {
		return nil, err
	}
	if t.ExpiresAt != nil {
		user.Expires = t.ExpiresAt.Unix()
	}
	return user, nil
}

// newUser is a user of an account with permissions.
func newUser(asked *jwt.AuthorizationRequestClaims, account string, p permit.Permissions) *jwt.UserClaims {
	user := jwt.NewUserClaims(asked.UserNkey)
	user.Audience = account
	user.Pub.Allow.Add(p.Publish...)
	user.Sub.Allow.Add(p.Subscribe...)
	if p.Responses > 0 {
		user.Resp = &jwt.ResponsePermission{MaxMsgs: 1, Expires: p.Responses}
	}
	return user
}
