package test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
)

// TestConsoleSignIn signs in by the link of `hodei up` and by tokens of several roles: each
// sees what its role allows. Signed out, the page shows nothing.
func TestConsoleSignIn(t *testing.T) {
	t.Parallel()
	s := upWithAuth(t)
	status, p1 := s.as(s.admin, "POST", "/pipelines", `{"name":"shop"}`)
	require.Equal(t, 201, status)
	status, j := s.as(s.admin, "POST", "/jobs", fmt.Sprintf(`{"pipeline_id":%q,"name":"build","command":"echo hello from a job"}`, p1["id"]))
	require.Equal(t, 201, status)
	job := "/jobs/" + j["id"].(string)

	p := openTab(t, s.orchestrator)
	p.open("/")
	p.sees("Sign in to Hodei")
	p.fill("Token", s.admin[:20])
	p.click("Sign in")
	p.sees("was it copied whole?")
	_, developer := s.token(hodei.Developer, "")
	p.fill("Token", developer)
	p.click("Sign in")
	signedInAs(p, "developer · developer")
	p.open(job)
	p.sees("Run with…")
	p.until("what needs another role is not offered", "!document.querySelector('main .head').innerText.includes('Delete')")
	p.press("e")
	p.at("/ui" + job)
	p.click("Run")
	p.sees("hello from a job") // which came by server-sent events
	p.until("it has completed", "document.title.startsWith('Completed')")
	p.is("document.cookie", "")
	eval[chromedp.Void](p, "document.querySelector('.me button').click()")
	p.sees("Sign in to Hodei")
	p.open("/pipelines")
	p.sees("Sign in to Hodei")

	id, viewer := s.token(hodei.Viewer, "")
	p.fill("Token", viewer)
	p.click("Sign in")
	signedInAs(p, "viewer · viewer")
	p.open("/pipelines")
	p.sees("shop")
	p.until("nothing is offered", "![...document.querySelectorAll('main a, main button')].some((e) => /New|Run|Delete|Edit/.test(e.innerText))")
	status, _ = s.as(s.admin, "DELETE", "/tokens/"+id, "")
	require.Equal(t, 204, status)
	p.sees("Sign in to Hodei") // without a reload: its stream has ended

	link := s.find(`console +(http://\S+)`)
	require.NoError(t, chromedp.Do(p.ctx, chromedp.Navigate("about:blank")))
	require.NoError(t, chromedp.Do(p.ctx, chromedp.Navigate(link)))
	signedInAs(p, "hodei up · admin")
	p.is("location.hash", "")
	p.open(job)
	p.sees("Delete")
}

// TestConsoleSignOutFails: the page shows that the sign-out failed, and the sign-in only if the
// browser has no session any more.
func TestConsoleSignOutFails(t *testing.T) {
	t.Parallel()
	s := upWithAuth(t, "--workers", "0")
	p := openTab(t, s.orchestrator)
	require.NoError(t, chromedp.Do(p.ctx, chromedp.Navigate(s.find(`console +(http://\S+)`))))
	signedInAs(p, "hodei up · admin")
	const answers = `(() => {
		const real = window.real ??= window.fetch;
		window.fetch = (url, init) => (init?.method === 'DELETE' ? (%s)(real, url, init) : real(url, init));
	})()`
	signOut := "document.querySelector('.me button').click()"
	eval[chromedp.Void](p, fmt.Sprintf(answers, `() => Promise.reject(new TypeError())`))
	eval[chromedp.Void](p, signOut)
	p.until("the error is shown", "document.querySelector('.notes').innerText.includes('You are still signed in: Cannot reach Hodei')")
	signedInAs(p, "hodei up · admin")

	eval[chromedp.Void](p, fmt.Sprintf(answers, `async (real, url, init) => {
		await real(url, init); // the edge forgets the cookie in any case
		return new Response('{"error":"UNAVAILABLE","message":"access does not answer"}', { status: 503 });
	}`))
	eval[chromedp.Void](p, signOut)
	p.sees("Sign in to Hodei")
	p.sees("This browser is signed out, but the session may be valid until it expires: access does not answer")
	p.open("/pipelines")
	p.sees("Sign in to Hodei")
	p.is("document.querySelector('.failure')?.innerText ?? ''", "")
}

// TestPagesOfOtherOriginsWithASession opens a page of another origin in the browser of a user
// who is signed in. The session does not help it.
func TestPagesOfOtherOriginsWithASession(t *testing.T) {
	t.Parallel()
	s := upWithAuth(t, "--workers", "0")
	foreign := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `<!doctype html><link rel="icon" href="data:,"><body>a page</body>`)
	}))
	t.Cleanup(foreign.Close)
	p := openTab(t, s.orchestrator)
	require.NoError(t, chromedp.Do(p.ctx, chromedp.Navigate(s.find(`console +(http://\S+)`))))
	signedInAs(p, "hodei up · admin")
	require.NoError(t, chromedp.Do(p.ctx, chromedp.Navigate(foreign.URL)))
	code, secret := s.begun()
	got := eval[map[string]string](p, fmt.Sprintf(`(async () => {
		const got = {};
		for (const [what, path, init] of [
			['read', '/api/v1/tokens', {}],
			['no-cors', '/api/v1/tokens', { mode: 'no-cors' }],
			['create', '/api/v1/tokens', { method: 'POST', mode: 'no-cors', body: new Blob(['{"name":"evil","role":"admin"}']) }],
			['sign out', '/api/v1/session', { method: 'DELETE' }],
			['approve', '/api/v1/session/device/approve', { method: 'POST', mode: 'no-cors', body: new Blob(['{"user_code":"%s"}']) }],
			['provider', '/session/oidc', { mode: 'no-cors' }],
			['sign in', '/api/v1/session', { method: 'POST', mode: 'no-cors', body: new Blob(['{"token":"%s"}']) }],
		]) {
			try {
				const r = await fetch('%s' + path, { credentials: 'include', ...init });
				got[what] = r.type === 'opaque' ? 'opaque' : await r.text();
			} catch { got[what] = 'refused'; }
		}
		return got;
	})()`, code, s.admin, s.orchestrator))
	for what, result := range got {
		require.Contains(t, []string{"refused", "opaque"}, result, what)
	}
	_, list := s.as(s.admin, "GET", "/tokens", "")
	require.Len(t, list["items"], 1, "no token was created")
	status, _ := s.redeem(secret)
	require.Equal(t, 409, status, "no sign-in of a program was approved")
	p.open("/")
	signedInAs(p, "hodei up · admin") // still signed in, as before
}

// signedInAs waits until the page shows this user.
func signedInAs(p *page, who string) {
	p.t.Helper()
	p.until("it shows "+who, "document.querySelector('.me')?.innerText.includes("+quote(who)+")")
}
