package edge

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/client"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/internal/token"
	"github.com/hodei-jobs/hodei/schemas"
)

// The cookie of a session. Under TLS its name makes browsers refuse one that another host
// or an unencrypted page has set.
const (
	cookieName       = "hodei_session"
	secureCookieName = "__Host-hodei_session"
)

// secret is what a request proves its caller with.
type secret struct {
	kind token.Kind
	hash token.Hash
}

// authenticate passes on requests with a valid token or session, with their caller in the
// context. Without --auth every request is passed on, and there is no caller.
//
// Routes are wrapped one by one, so that no spelling of a path decides whether a request
// needs a token.
func (e *Edge) authenticate(next http.Handler) http.Handler {
	if !e.cfg.Auth {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		caller, err := e.callerOf(r.Context(), r)
		if err == nil {
			err = e.limitToken(caller)
		}
		if err != nil {
			refuseCaller(w, r, err)
			return
		}
		next.ServeHTTP(w, r.WithContext(hodei.WithCaller(r.Context(), caller)))
	})
}

// callerOf returns the caller that the request proves.
func (e *Edge) callerOf(ctx context.Context, r *http.Request) (hodei.Caller, error) {
	s, err := secretOf(r)
	if err != nil {
		return hodei.Caller{}, err
	}
	return e.callers.find(ctx, s, address(r))
}

// refuseCaller answers a request whose caller is not known. A session that has ended is
// removed from the browser.
func refuseCaller(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, hodei.Unauthenticated) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="hodei"`)
		if r.Header.Get("Authorization") == "" {
			forgetCookies(w, r)
		}
	}
	refuse(w, r, err)
}

// secretOf returns the token of the Authorization header, else the session of the cookie.
// Its errors do not repeat what was sent.
func secretOf(r *http.Request) (s secret, err error) {
	want, text := token.Person, ""
	switch headers := r.Header.Values("Authorization"); {
	case len(headers) > 1:
		return s, hodei.Errorf(hodei.Unauthenticated, "One Authorization header is required, not %d", len(headers))
	case len(headers) == 1:
		scheme, rest, _ := strings.Cut(headers[0], " ")
		if text = strings.TrimSpace(rest); !strings.EqualFold(scheme, "Bearer") {
			return s, hodei.Errorf(hodei.Unauthenticated, "The Authorization header must be: Bearer hodei_…")
		}
	default:
		want = token.Session
		if text, err = cookieOf(r); err != nil {
			return s, err
		}
		if text == "" {
			return s, hodei.Errorf(hodei.Unauthenticated, "A token is required: send Authorization: Bearer hodei_… (hodei login, or sign in to the console)")
		}
	}
	s.kind, s.hash, err = token.Parse(text)
	if err != nil {
		return s, hodei.Errorf(hodei.Unauthenticated, "%s", upperFirst(err.Error()))
	}
	if s.kind != want {
		return s, hodei.Errorf(hodei.Unauthenticated, "This kind of token is not accepted here")
	}
	return s, nil
}

func upperFirst(text string) string { return strings.ToUpper(text[:1]) + text[1:] }

// cookieOf returns the session of the request, "" without one. Two with one name are refused:
// a page of a neighbouring host may have set one of them, to have the user work in its session.
func cookieOf(r *http.Request) (text string, err error) {
	for _, name := range []string{secureCookieName, cookieName} {
		switch found := r.CookiesNamed(name); {
		case len(found) > 1:
			return "", hodei.Errorf(hodei.Unauthenticated, "The request has several cookies %s: sign in again", name)
		case len(found) == 1:
			return found[0].Value, nil
		}
	}
	return "", nil
}

// address is that of the client, without the port.
func address(r *http.Request) string { return hostOf(r.RemoteAddr) }

// hostOf returns an address without its port.
func hostOf(addr string) string {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	return host
}

// verifyEvery is how often the caller of an open stream is verified again, in case the
// announcement of a revocation was lost.
const verifyEvery = 30 * time.Second

// stream passes on a request for a stream whose caller may have it, and ends the stream when
// the token or the session is no longer valid.
func (e *Edge) stream(op *schemas.Op, next handler) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := rpc.Allow(r.Context(), op); err != nil {
			return err
		}
		if err := e.confine(r, op); err != nil {
			return err
		}
		if !e.cfg.Auth {
			return next(w, r)
		}
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		go e.keepVerifying(ctx, cancel, r)
		return next(w, r.WithContext(ctx))
	}
}

// confine requests the record of the stream. Its service refuses that to a caller that is limited
// to other pipelines. The stream itself is shared with other callers and not checked.
func (e *Edge) confine(r *http.Request, op *schemas.Op) error {
	if hodei.PipelinesOf(r.Context()) == nil || op.Limit == schemas.LimitOwn {
		return nil
	}
	ctx, cancel := context.WithTimeout(r.Context(), client.Timeout(op))
	defer cancel()
	c, id := client.NATS(e.cfg.NATS), pathText(r, "id")
	if op == schemas.FollowRun.Op {
		_, err := c.GetRun(ctx, schemas.GetRunRequest{ID: hodei.RunRef(id)})
		return err
	}
	_, err := c.GetExecution(ctx, schemas.GetExecutionRequest{ID: hodei.ExecutionRef(id)})
	return err
}

// keepVerifying calls cancel when the caller of the request is no longer valid.
func (e *Edge) keepVerifying(ctx context.Context, cancel context.CancelFunc, r *http.Request) {
	defer rpc.Recover(e.cfg.Log, "verify the caller of a stream")
	for {
		select {
		case <-ctx.Done():
			return
		case <-e.callers.changed():
		case <-time.After(verifyEvery):
		}
		if _, err := e.callerOf(ctx, r); errors.Is(err, hodei.Unauthenticated) {
			cancel()
			return
		}
	}
}
