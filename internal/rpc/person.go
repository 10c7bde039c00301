package rpc

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
)

// received is a request: a micro.Request or a fromPerson.
type received interface {
	Subject() string
	Reply() string
	Data() []byte
	Headers() micro.Headers
}

// fromPerson is a request on a subject that only requests of people reach.
type fromPerson struct{ msg *nats.Msg }

func (p fromPerson) Subject() string        { return p.msg.Subject }
func (p fromPerson) Reply() string          { return p.msg.Reply }
func (p fromPerson) Data() []byte           { return p.msg.Data }
func (p fromPerson) Headers() micro.Headers { return micro.Headers(p.msg.Header) }

// peopleGroup is the queue group of all instances of a service.
const peopleGroup = "people"

// followPeople answers the requests of people, which arrive on separate subjects. stop ends the
// subscriptions; requests that have arrived are still answered.
func (s *Service) followPeople(ctx context.Context) (stop func(), err error) {
	var subs []*nats.Subscription
	stop = func() {
		for _, sub := range subs {
			_ = sub.Drain() // fails only without a connection, when no request can arrive
		}
	}
	for _, e := range s.endpoints {
		if !e.op.ForPeople() || s.cfg.CallerKey == nil {
			continue
		}
		sub, err := s.cfg.NATS.QueueSubscribe(e.op.PeopleSubject(), peopleGroup, func(msg *nats.Msg) { s.accept(ctx, e, fromPerson{msg}) })
		if err != nil {
			stop()
			return nil, fmt.Errorf("follow %s: %w", e.op.PeopleSubject(), err)
		}
		subs = append(subs, sub)
	}
	return stop, nil
}

// UserName returns the name of a person's user of NATS: the id of the token, the caller, and a
// code that only a holder of the key can make.
//
// NATS adds the name to each request as a header. The header alone is no proof: NATS replaces
// the same header of a client, but not one after a line break without a carriage return, which
// parsers accept too. The code in the name is the proof. No client can read its own name.
func UserName(key []byte, c hodei.Caller) (string, error) {
	text, err := hodei.JSON(c)
	if err != nil {
		return "", fmt.Errorf("encode caller: %w", err)
	}
	signed := c.ID.String() + "." + base64.RawURLEncoding.EncodeToString(text)
	return signed + "." + code(key, signed), nil
}

func code(key []byte, text string) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// callerNamed returns the caller of a UserName.
func callerNamed(key []byte, name string) (c hodei.Caller, err error) {
	at := strings.LastIndexByte(name, '.')
	if at < 0 || !hmac.Equal([]byte(name[at+1:]), []byte(code(key, name[:at]))) {
		return c, errUnknownUser
	}
	_, text, _ := strings.Cut(name[:at], ".")
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil {
		err = json.Unmarshal(raw, &c)
	}
	return c, err
}

// personHeaders is the largest number of header lines in a person's request.
const personHeaders = 16

// wholeHeader reports whether a header of that many bytes was parsed to its last line, which NATS
// has added. The parser stops at an empty line, and a last line without a line break absorbs the
// line of NATS. The line of NATS is longer than the few bytes by which line breaks and spaces
// can differ, so a comparison of the sizes shows that it is missing.
func wholeHeader(header nats.Header, bytes int) bool {
	lines, parsed := 0, len("NATS/1.0\r\n\r\n")
	for name, values := range header {
		for _, value := range values {
			lines++
			parsed += len(name) + len(": ") + len(value) + len("\r\n")
			if name != schemas.HeaderRequestInfo && strings.Contains(value, schemas.HeaderRequestInfo) {
				return false
			}
		}
	}
	return lines <= personHeaders && parsed == bytes
}

var errUnknownUser = hodei.Errorf(hodei.Unauthenticated, "NATS does not name the user of the request: people connect with their token as the password")

// identifyPerson returns ctx with the person who sent the request, or RATE_LIMITED. It ignores all
// other headers, such as schemas.HeaderCaller.
func (s *Service) identifyPerson(ctx context.Context, op *schemas.Op, req fromPerson) (context.Context, error) {
	key, err := s.cfg.CallerKey(ctx)
	if err != nil {
		return ctx, err
	}
	var info struct {
		User string `json:"user"`
	}
	header, bytes := req.msg.Header, req.msg.Size()-len(req.msg.Subject)-len(req.msg.Reply)-len(req.msg.Data)
	if infos := header[schemas.HeaderRequestInfo]; !wholeHeader(header, bytes) || len(infos) != 1 || json.Unmarshal([]byte(infos[0]), &info) != nil {
		return ctx, errUnknownUser
	}
	caller, err := callerNamed(key, info.User)
	if err != nil {
		return ctx, err
	}
	if caller.ID != nil && !s.people.Allow(*caller.ID) { // as in the edge, this refusal is not in the audit log
		return ctx, hodei.Errorf(hodei.RateLimited, "Too many requests with this token: more than %d a second", s.cfg.RatePerToken)
	}
	caller.RequestID, caller.Op = RequestID(ctx), op.Name
	ctx = hodei.WithCaller(ctx, caller)
	return ctx, Allow(ctx, op)
}
