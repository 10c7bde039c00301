package edge

import (
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/internal/token"
	"github.com/hodei-jobs/hodei/schemas"
)

// noParameters refuses a query.
func noParameters(r *http.Request) error {
	for name := range r.URL.Query() {
		return hodei.InvalidField(name, "unknown parameter")
	}
	return nil
}

// whoAmI answers who asks.
func whoAmI(w http.ResponseWriter, r *http.Request) error {
	if err := noParameters(r); err != nil {
		return err
	}
	answerJSON(w, http.StatusOK, schemas.IdentityOf(hodei.CallerOf(r.Context())))
	return nil
}

// signIn begins a session with a token or a sign-in link, and sets its cookie. The secret of
// the session is made here, so that it never travels over NATS.
func (e *Edge) signIn(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Cache-Control", "no-store")
	req, err := readSignIn(w, r)
	if err != nil {
		return err
	}
	if !e.cfg.Auth {
		return whoAmI(w, r)
	}
	kind, hash, err := token.Parse(req.Token)
	if err != nil || kind != token.Person && kind != token.Link {
		return hodei.Errorf(hodei.Unauthenticated, "This is not a token: hodei_t_ and 49 letters and digits required; was it copied whole?")
	}
	from := address(r)
	if e.callers.tooMany(from) {
		return hodei.Errorf(hodei.RateLimited, "Too many tokens of this address were not valid: try again in a few seconds")
	}
	session := token.New(token.Session)
	_, of, err := token.Parse(session)
	if err != nil {
		return err
	}
	begun, err := rpc.Call(r.Context(), e.cfg.NATS, schemas.CreateSession, schemas.CreateSessionRequest{
		Hash: hash[:], Link: kind == token.Link, Session: of[:], From: from,
	})
	if err != nil {
		if errors.Is(err, hodei.Unauthenticated) {
			e.callers.fail(from)
		}
		return err
	}
	setCookie(w, r, session, begun.ExpiresAt)
	answerJSON(w, http.StatusCreated, schemas.IdentityOf(begun.Caller, true))
	return nil
}

// maxSignIn bounds what is read before the caller is known.
const maxSignIn = 4 << 10

// readSignIn reads the request, which is no operation with a schema.
func readSignIn(w http.ResponseWriter, r *http.Request) (req schemas.SignInRequest, err error) {
	err = readSmall(w, r, &req)
	if errors.Is(err, hodei.Invalid) || err == nil && req.Token == "" {
		err = hodei.InvalidField("token", "required, and no other field")
	}
	return req, err
}

// signOut ends the session of the request, if it has one. The browser no longer has it
// afterwards, whatever the answer: its user may leave the machine.
func (e *Edge) signOut(w http.ResponseWriter, r *http.Request) error {
	if err := noParameters(r); err != nil {
		return err
	}
	forgetCookies(w, r)
	text, err := cookieOf(r)
	kind, hash, wrong := token.Parse(text)
	if err == nil && wrong == nil && kind == token.Session && e.cfg.Auth {
		if _, err := rpc.Call(r.Context(), e.cfg.NATS, schemas.DeleteSession, schemas.DeleteSessionRequest{Session: hash[:]}); err != nil {
			return err
		}
		e.callers.forget() // at once, before the announcement arrives
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// encrypted reports whether the browser uses TLS, to this server or to a proxy in front of
// it, also to one that is not known as trusted: a browser alone decides about its cookie. The
// guard has compared the origin with the host.
func encrypted(r *http.Request) bool {
	origin, err := url.Parse(r.Header.Get("Origin"))
	return isEncrypted(r) || err == nil && origin.Scheme == "https"
}

func setCookie(w http.ResponseWriter, r *http.Request, value string, ends *time.Time) {
	c := &http.Cookie{Name: cookieName, Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode}
	if encrypted(r) {
		c.Name, c.Secure = secureCookieName, true
	}
	if ends != nil {
		c.Expires = *ends
	}
	http.SetCookie(w, c)
}

// forgetCookies removes the cookies that the browser has sent.
func forgetCookies(w http.ResponseWriter, r *http.Request) {
	for _, name := range []string{secureCookieName, cookieName} {
		if len(r.CookiesNamed(name)) > 0 {
			http.SetCookie(w, &http.Cookie{
				Name: name, Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: name == secureCookieName,
			})
		}
	}
}
