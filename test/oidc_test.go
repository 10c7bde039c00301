package test

import (
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/oauth2-proxy/mockoidc"
	"github.com/stretchr/testify/require"
)

// upWithOIDC starts a provider, and a system whose console people sign in to with it.
func upWithOIDC(t *testing.T, args ...string) (guarded, *mockoidc.MockOIDC) {
	t.Helper()
	provider, err := mockoidc.Run()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, provider.Shutdown()) })
	secret := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(secret, []byte(provider.ClientSecret+"\n"), 0o600))
	return upWithAuth(t, append([]string{
		"--workers", "0", "--oidc-issuer", provider.Issuer(), "--oidc-client-id", provider.ClientID, "--oidc-client-secret-file", secret,
		"--oidc-role", "staff=viewer,builders=developer,owners=admin",
	}, args...)...), provider
}

func member(name string, groups ...string) *mockoidc.MockUser {
	return &mockoidc.MockUser{Subject: "id-of-" + name, Email: name + "@example.com", EmailVerified: true, Groups: groups}
}

// visitor is a browser without scripts: it has cookies, and stops before what stop names.
type visitor struct {
	*http.Client
	t    *testing.T
	jar  *cookiejar.Jar
	stop string
}

func newVisitor(t *testing.T) *visitor {
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	v := &visitor{t: t, jar: jar}
	v.Client = &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if v.stop != "" && strings.Contains(r.URL.Path, v.stop) {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	return v
}

// goes opens an address and returns where it ends: the address, or that of the redirection at
// which it stops.
func (v *visitor) goes(to string) *url.URL {
	v.t.Helper()
	req, err := http.NewRequestWithContext(v.t.Context(), "GET", to, nil)
	require.NoError(v.t, err)
	resp, err := v.Do(req)
	require.NoError(v.t, err)
	require.NoError(v.t, resp.Body.Close())
	if at, err := resp.Location(); err == nil {
		return at
	}
	require.Less(v.t, resp.StatusCode, 400, "%s ended at %s", to, resp.Request.URL)
	return resp.Request.URL
}

func (v *visitor) cookies(s guarded) []*http.Cookie {
	at, err := url.Parse(s.orchestrator)
	require.NoError(v.t, err)
	return v.jar.Cookies(at)
}

// TestOIDC signs in people of several groups with a real provider, and out.
func TestOIDC(t *testing.T) {
	t.Parallel()
	s, provider := upWithOIDC(t)
	for name, want := range map[string]string{"eve staff": "viewer", "ann staff,builders,other": "developer", "bob owners,staff": "admin"} {
		name, groups, _ := strings.Cut(name, " ")
		provider.QueueUser(member(name, strings.Split(groups, ",")...))
		v := newVisitor(t)
		require.Equal(t, "/ui/", v.goes(s.orchestrator+"/session/oidc").Path)
		cookies := v.cookies(s)
		require.Len(t, cookies, 1, "the cookie of the attempt is gone")
		session := []string{"Cookie", cookies[0].Name + "=" + cookies[0].Value}
		status, who := s.as("", "GET", "/whoami", "", session...)
		require.Equal(t, 200, status)
		require.Equal(t, want, who["role"])
		require.Equal(t, name+"@example.com", who["name"])
		require.Equal(t, "session", who["kind"])
		_, list := s.as(s.admin, "GET", "/audit?operation=sessions.create&name="+url.QueryEscape(name+"@example.com"), "")
		require.Len(t, list["items"], 1)

		tokens := func() (mine []object) {
			_, list := s.as(s.admin, "GET", "/tokens", "")
			for _, one := range list["items"].([]any) {
				if one.(object)["subject"] == provider.Issuer()+" id-of-"+name {
					mine = append(mine, one.(object))
				}
			}
			return mine
		}
		require.Len(t, tokens(), 1)
		if want == "admin" { // an administrator ends the session
			status, _ = s.as(s.admin, "DELETE", "/tokens/"+tokens()[0]["id"].(string), "")
		} else {
			status, _ = s.as("", "DELETE", "/session", "", session...)
		}
		require.Equal(t, 204, status)
		eventually(t, "the session has ended", 30*time.Second, func() bool {
			status, _ = s.as("", "GET", "/whoami", "", session...)
			return status == 401
		})
		require.Empty(t, tokens(), "its token ends with the session")
	}
	require.NotContains(t, s.output(), provider.ClientSecret)
	shown, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", s.cmd.Process.Pid))
	require.NoError(t, err)
	require.NotContains(t, string(shown), provider.ClientSecret)
}

// TestOIDCAttacks forges, repeats and mixes the answers of the provider.
func TestOIDCAttacks(t *testing.T) {
	t.Parallel()
	s, provider := upWithOIDC(t)
	start := s.orchestrator + "/session/oidc"
	fails := func(v *visitor, to, reason, why string) {
		t.Helper()
		v.stop = ""
		at := v.goes(to)
		require.Equal(t, "sign-in-failed="+reason, at.Fragment, why)
		for _, c := range v.cookies(s) {
			require.NotContains(t, c.Name, "session", why)
		}
	}
	// answer is the address to which the provider sends a browser that has begun.
	answer := func(name string) (*visitor, *url.URL) {
		provider.QueueUser(member(name, "owners"))
		v := newVisitor(t)
		v.stop = "/callback"
		at := v.goes(start)
		require.Contains(t, at.Path, "/callback")
		return v, at
	}
	with := func(at *url.URL, name, value string) string {
		query := at.Query()
		query.Set(name, value)
		changed := *at
		changed.RawQuery = query.Encode()
		return changed.String()
	}
	_, at := answer("victim")
	fails(newVisitor(t), at.String(), "attempt", "another browser, without a cookie")
	v, _ := answer("attacker")
	fails(v, with(at, "state", at.Query().Get("state")), "attempt", "the answer for another browser")
	v, own := answer("attacker")
	fails(v, with(own, "code", at.Query().Get("code")), "provider", "the code of another browser, for which the verifier differs")
	v, own = answer("attacker")
	fails(v, with(own, "state", ""), "attempt", "no state")
	v, own = answer("attacker")
	fails(v, with(own, "iss", "https://evil.example"), "provider", "another issuer")
	v, own = answer("attacker")
	fails(v, with(own, "error", "access_denied"), "provider", "an error of the provider")
	v, own = answer("attacker")
	require.Equal(t, "/ui/", func() string { v.stop = ""; return v.goes(own.String()).Path }())
	again := newVisitor(t)
	fails(again, own.String(), "attempt", "the same answer again")

	v, own = answer("nonce")
	cookie := v.cookies(s)[0]
	parts := strings.Split(cookie.Value, ".")
	parts[1] = strings.Repeat("A", len(parts[1]))
	home, err := url.Parse(s.orchestrator)
	require.NoError(t, err)
	v.jar.SetCookies(home, []*http.Cookie{{Name: cookie.Name, Value: strings.Join(parts, "."), Path: "/"}})
	fails(v, own.String(), "provider", "the identity of another sign-in")

	provider.QueueUser(member("nobody", "elsewhere"))
	fails(newVisitor(t), start, "role", "a member of no group with a role")

	status, _, header := request(t, "GET", s.orchestrator+"/session/oidc", "", http.Header{"Sec-Fetch-Site": {"cross-site"}, "Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"document"}})
	require.Equal(t, 403, status, "a page of another site cannot begin a sign-in")
	require.Empty(t, header.Values("Set-Cookie"))
	status, _, _ = request(t, "GET", s.orchestrator+"/session/oidc/callback", "", http.Header{"Sec-Fetch-Site": {"cross-site"}, "Sec-Fetch-Mode": {"cors"}})
	require.Equal(t, 403, status, "nor a script end one")
	status, _ = s.as("", "GET", "/session", "")
	require.Equal(t, 200, status)
}

// TestOIDCInTheConsole signs in with a browser.
func TestOIDCInTheConsole(t *testing.T) {
	t.Parallel()
	s, provider := upWithOIDC(t)
	p := openTab(t, s.orchestrator)
	provider.QueueUser(member("stranger", "elsewhere"))
	p.open("/")
	p.sees("Sign in with your provider")
	eval[chromedp.Void](p, "[...document.querySelectorAll('a')].find((a) => a.innerText.includes('your provider')).click()")
	p.sees("You are in no group that may use Hodei")
	p.sees("Sign in with your provider")
	provider.QueueUser(member("ann", "builders"))
	eval[chromedp.Void](p, "[...document.querySelectorAll('a')].find((a) => a.innerText.includes('your provider')).click()")
	signedInAs(p, "ann@example.com · developer")
	p.is("document.cookie", "")
	p.open("/pipelines")
	signedInAs(p, "ann@example.com · developer")
	eval[chromedp.Void](p, "document.querySelector('.me button').click()")
	p.sees("Sign in to Hodei")
}

// TestOIDCWithoutItsProvider: the console shows the reason, and tokens work.
func TestOIDCWithoutItsProvider(t *testing.T) {
	t.Parallel()
	s := upWithAuth(t, "--workers", "0", "--oidc-issuer", "http://127.0.0.1:1", "--oidc-client-id", "hodei", "--oidc-default-role", "viewer")
	at := newVisitor(t).goes(s.orchestrator + "/session/oidc")
	require.Equal(t, "sign-in-failed=provider", at.Fragment)
	status, _ := s.as(s.admin, "GET", "/whoami", "")
	require.Equal(t, 200, status)
	for reason, args := range map[string][]string{
		"--auth":      {"up", "--ephemeral", "--oidc-issuer", "https://login.example", "--oidc-client-id", "x", "--oidc-default-role", "viewer"},
		"--oidc-role": {"up", "--ephemeral", "--auth", "--oidc-issuer", "https://login.example", "--oidc-client-id", "x"},
		"root":        {"up", "--ephemeral", "--auth", "--oidc-issuer", "https://login.example", "--oidc-client-id", "x", "--oidc-role", "staff=root"},
	} {
		p := launch(t, args...)
		require.Equal(t, 2, p.wait(), args)
		require.Contains(t, p.output(), reason)
	}
}
