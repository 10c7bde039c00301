package edge

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/internal/token"
	"github.com/hodei-jobs/hodei/schemas"
)

// OIDC is the provider with which people sign in to the console.
type OIDC struct {
	// Issuer is the URL of the provider. ClientID and ClientSecret identify Hodei there.
	Issuer, ClientID, ClientSecret string
	// Scopes are requested besides openid.
	Scopes []string
	// GroupsClaim is the claim that has the groups of a user.
	GroupsClaim string
	// Roles maps groups to roles; the highest role of a user counts. A user in none of the groups
	// has the DefaultRole. Without one, such a user may not sign in.
	Roles       map[string]hodei.Role
	DefaultRole hodei.Role
	// ExternalURL is the address of this server as browsers know it (default: the Host of the
	// request).
	ExternalURL string
}

const (
	oidcStart    = "/session/oidc"
	oidcCallback = "/session/oidc/callback"
	// oidcLife is how long a person may take to sign in at the provider.
	oidcLife = 10 * time.Minute
	// oidcTimeout is the time limit of a request to the provider; oidcAtOnce is the limit of
	// concurrent requests.
	oidcTimeout = 10 * time.Second
	oidcAtOnce  = 16
	// The cookie of a sign-in in progress. The provider sends the browser back from another site,
	// so SameSite cannot be as strict as for the cookie of a session.
	oidcCookieName       = "hodei_oidc"
	secureOIDCCookieName = "__Host-hodei_oidc"
)

// signIns signs people in with the provider.
type signIns struct {
	cfg  OIDC
	http *http.Client
	room chan struct{} // one element for each request to the provider

	mu       sync.Mutex
	provider *oidc.Provider // nil until it was reached
}

func newSignIns(cfg *OIDC) *signIns {
	if cfg == nil {
		return nil
	}
	return &signIns{cfg: *cfg, http: &http.Client{Timeout: oidcTimeout}, room: make(chan struct{}, oidcAtOnce)}
}

// discover returns the provider. The first call fetches its addresses and keys.
func (s *signIns) discover() (*oidc.Provider, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.provider == nil {
		// The context stays with the provider, which fetches its keys again when they change.
		p, err := oidc.NewProvider(oidc.ClientContext(context.Background(), s.http), s.cfg.Issuer)
		if err != nil {
			return nil, fmt.Errorf("discover the OIDC provider: %w", err)
		}
		s.provider = p
	}
	return s.provider, nil
}

// client returns the configuration of OAuth 2.0 for a request.
func (s *signIns) client(p *oidc.Provider, r *http.Request) *oauth2.Config {
	base := strings.TrimSuffix(s.cfg.ExternalURL, "/")
	if base == "" {
		base = "http://" + r.Host // which the guard has compared with the known names
		if isEncrypted(r) {
			base = "https://" + r.Host
		}
	}
	return &oauth2.Config{
		ClientID: s.cfg.ClientID, ClientSecret: s.cfg.ClientSecret, Endpoint: p.Endpoint(),
		RedirectURL: base + oidcCallback, Scopes: append([]string{oidc.ScopeOpenID}, s.cfg.Scopes...),
	}
}

// attempt is the content of the browser's cookie while its user is at the provider.
type attempt struct{ state, nonce, verifier string }

func (s *signIns) cookie(r *http.Request, value string, life time.Duration) *http.Cookie {
	c := &http.Cookie{Name: oidcCookieName, Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode, MaxAge: int(life.Seconds())}
	if isEncrypted(r) {
		c.Name, c.Secure = secureOIDCCookieName, true
	}
	return c
}

// attemptOf returns the attempt of the browser, false without exactly one.
func (s *signIns) attemptOf(r *http.Request) (attempt, bool) {
	found := r.CookiesNamed(s.cookie(r, "", 0).Name)
	if len(found) != 1 {
		return attempt{}, false
	}
	parts := strings.Split(found[0].Value, ".")
	if len(parts) != 3 || len(parts[0]) < 20 || len(parts[1]) < 20 || len(parts[2]) < 43 {
		return attempt{}, false
	}
	return attempt{parts[0], parts[1], parts[2]}, true
}

// known returns the request, marked as encrypted if the external URL is.
func (s *signIns) known(r *http.Request) *http.Request {
	if strings.HasPrefix(s.cfg.ExternalURL, "https:") {
		return r.WithContext(context.WithValue(r.Context(), encryptedKey{}, true))
	}
	return r
}

// beginOIDC sends the browser to the provider.
func (e *Edge) beginOIDC(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	r = e.signIns.known(r)
	p, err := e.signIns.discover()
	if err != nil {
		e.failOIDC(w, r, "provider", err)
		return
	}
	a := attempt{rand.Text(), rand.Text(), oauth2.GenerateVerifier()}
	http.SetCookie(w, e.signIns.cookie(r, strings.Join([]string{a.state, a.nonce, a.verifier}, "."), oidcLife))
	http.Redirect(w, r, e.signIns.client(p, r).AuthCodeURL(a.state, oidc.Nonce(a.nonce), oauth2.S256ChallengeOption(a.verifier)), http.StatusSeeOther)
}

// failOIDC sends the browser to the page with the reason, one word that the page explains. The
// details are for the log.
func (e *Edge) failOIDC(w http.ResponseWriter, r *http.Request, reason string, err error) {
	e.cfg.Log.WarnContext(r.Context(), "sign-in with OIDC failed", "reason", reason, "request_id", rpc.RequestID(r.Context()), "from", address(r), "err", err)
	http.Redirect(w, r, "/ui/#sign-in-failed="+reason, http.StatusSeeOther)
}

var errAttempt = errors.New("the browser has not begun this sign-in, or it took too long")

// endOIDC signs in the user who returns from the provider.
func (e *Edge) endOIDC(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	r = e.signIns.known(r)
	a, ok := e.signIns.attemptOf(r)
	http.SetCookie(w, e.signIns.cookie(r, "", -time.Second)) // it is for one answer
	query := r.URL.Query()
	if !ok || subtle.ConstantTimeCompare([]byte(a.state), []byte(query.Get("state"))) != 1 {
		e.failOIDC(w, r, "attempt", errAttempt)
		return
	}
	if e.callers.tooMany(address(r)) {
		e.failOIDC(w, r, "provider", hodei.Errorf(hodei.RateLimited, "too many sign-ins of this address failed"))
		return
	}
	user, err := e.signIns.user(r, a)
	switch {
	case errors.Is(err, hodei.Forbidden):
		e.failOIDC(w, r, "role", err)
		return
	case err != nil:
		e.callers.fail(address(r))
		e.failOIDC(w, r, "provider", err)
		return
	}
	session := token.New(token.Session)
	_, of, err := token.Parse(session)
	if err == nil {
		var begun schemas.Authenticated
		begun, err = rpc.Call(r.Context(), e.cfg.NATS, schemas.CreateSession, schemas.CreateSessionRequest{User: &user, Session: of[:], From: address(r)})
		if err == nil {
			setCookie(w, r, session, begun.ExpiresAt)
		}
	}
	if err != nil {
		e.failOIDC(w, r, "provider", err)
		return
	}
	http.Redirect(w, r, "/ui/", http.StatusSeeOther)
}

// user exchanges the code of the answer for the identity of the user, and verifies it.
func (s *signIns) user(r *http.Request, a attempt) (user schemas.SignedIn, err error) {
	select {
	case s.room <- struct{}{}:
		defer func() { <-s.room }()
	default:
		return user, hodei.Errorf(hodei.Unavailable, "too many sign-ins at once")
	}
	query := r.URL.Query()
	if failed := query.Get("error"); failed != "" {
		return user, fmt.Errorf("the provider answered %.100q", failed)
	}
	if by := query.Get("iss"); by != "" && by != s.cfg.Issuer {
		return user, fmt.Errorf("the answer is of the provider %.100q", by)
	}
	p, err := s.discover()
	if err != nil {
		return user, err
	}
	ctx, cancel := context.WithTimeout(oidc.ClientContext(r.Context(), s.http), oidcTimeout)
	defer cancel()
	answer, err := s.client(p, r).Exchange(ctx, query.Get("code"), oauth2.VerifierOption(a.verifier))
	if err != nil {
		return user, fmt.Errorf("exchange the code: %w", err)
	}
	text, _ := answer.Extra("id_token").(string)
	id, err := p.Verifier(&oidc.Config{ClientID: s.cfg.ClientID}).Verify(ctx, text)
	if err != nil {
		return user, fmt.Errorf("verify the identity: %w", err)
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(a.nonce)) != 1 {
		return user, errors.New("the identity is of another sign-in: its nonce differs")
	}
	claims := map[string]any{}
	if err := id.Claims(&claims); err != nil {
		return user, fmt.Errorf("read the claims: %w", err)
	}
	return s.signedIn(id, claims)
}

// signedIn returns the user with the claims, or FORBIDDEN without a role.
func (s *signIns) signedIn(id *oidc.IDToken, claims map[string]any) (schemas.SignedIn, error) {
	user := schemas.SignedIn{Subject: id.Issuer + " " + id.Subject, Name: id.Subject, Role: s.cfg.DefaultRole}
	for _, claim := range []string{"preferred_username", "email"} {
		if claim == "email" && claims["email_verified"] == false { // such an address proves nothing
			continue
		}
		if name, _ := claims[claim].(string); strings.TrimSpace(name) != "" && len(name) <= 200 {
			user.Name = name
		}
	}
	for _, group := range texts(claims[s.cfg.GroupsClaim]) {
		if role, ok := s.cfg.Roles[group]; ok && (user.Role == "" || role.Includes(user.Role)) {
			user.Role = role
		}
	}
	if user.Role == "" {
		return user, hodei.Errorf(hodei.Forbidden, "%.200q is in no group with a role", user.Name)
	}
	return user, nil
}

// texts returns the strings of a claim, which is a string or a list of strings.
func texts(claim any) (out []string) {
	switch c := claim.(type) {
	case string:
		return []string{c}
	case []any:
		for _, one := range c {
			if text, ok := one.(string); ok {
				out = append(out, text)
			}
		}
	}
	return out
}

// signInWays answers with the ways to sign in, for the page.
func (e *Edge) signInWays(w http.ResponseWriter, _ *http.Request) {
	answerJSON(w, http.StatusOK, schemas.SignInWays{Token: true, OIDC: e.signIns != nil})
}
