package test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// foreignScript tries what a page can send by itself. It returns the result of
// each attempt: "refused", "opaque" for an answer that the page cannot read, or
// the text that it could read.
const foreignScript = `async (targets, execution) => {
	const got = {};
	const attempt = async (what, url, init) => {
		try {
			const r = await fetch(url, init);
			got[what] = r.type === 'opaque' ? 'opaque' : await r.text();
		} catch { got[what] = 'refused'; }
	};
	const body = JSON.stringify({ command: 'touch ' + MARK });
	for (const base of targets) {
		await attempt(base + ' GET', base + '/api/v1/executions');
		await attempt(base + ' GET no-cors', base + '/api/v1/executions', { mode: 'no-cors' });
		await attempt(base + ' POST text', base + '/api/v1/execute', { method: 'POST', mode: 'no-cors', body });
		await attempt(base + ' POST without a type', base + '/api/v1/execute', { method: 'POST', mode: 'no-cors', body: new Blob([body]) });
		await attempt(base + ' POST json', base + '/api/v1/execute', { method: 'POST', body, headers: { 'Content-Type': 'application/json' } });
		await attempt(base + ' POST no body', base + '/api/v1/executions/' + execution + '/cancel', { method: 'POST', mode: 'no-cors' });
		got[base + ' EventSource'] = await new Promise((done) => {
			const source = new EventSource(base + '/api/v1/events?follow=true');
			source.onopen = () => { source.close(); done('open'); };
			source.onerror = () => { source.close(); done('refused'); };
		});
		navigator.sendBeacon(base + '/api/v1/execute', body);
		got[base + ' script'] = await new Promise((done) => {
			const script = document.createElement('script');
			script.onload = () => done('loaded');
			script.onerror = () => done('refused');
			script.src = base + '/openapi.json';
			document.head.append(script);
		});
		await new Promise((done) => { // a form needs no script and causes no preflight
			const frame = Object.assign(document.createElement('iframe'), { name: 'f' + Math.random(), onload: () => done() });
			document.body.append(frame);
			const form = Object.assign(document.createElement('form'), { method: 'POST', enctype: 'text/plain', action: base + '/api/v1/execute', target: frame.name });
			form.append(Object.assign(document.createElement('input'), { name: '{"command":"touch ' + MARK + '","working_dir":"/', value: '"}' }));
			document.body.append(form);
			form.submit();
		});
	}
	return got;
}`

// TestPagesOfOtherOrigins opens pages of other origins in a real browser: of
// another port of this machine, of another site, and of a name of that site
// that resolves to this machine. They can do nothing and read nothing; a link
// to the console works.
func TestPagesOfOtherOrigins(t *testing.T) {
	t.Parallel()
	s := up(t)
	foreign := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `<!doctype html><link rel="icon" href="data:,"><body><a href="%s/ui/workers">console</a>`, s.orchestrator)
	}))
	t.Cleanup(foreign.Close)
	_, port, err := net.SplitHostPort(strings.TrimPrefix(foreign.URL, "http://"))
	require.NoError(t, err)
	own, err := url.Parse(s.orchestrator)
	require.NoError(t, err)
	mark := t.TempDir() + "/mark"
	execution := s.execute("sleep 600")
	targets := []string{s.orchestrator, s.scheduler, s.workerManager, strings.Replace(s.orchestrator, "127.0.0.1", "localhost", 1)}
	p := openTab(t, s.orchestrator, chromedp.Flag("host-resolver-rules", "MAP *.example 127.0.0.1"))
	for _, origin := range []string{foreign.URL, "http://localhost:" + port, "http://evil.example:" + port} {
		require.NoError(t, chromedp.Do(p.ctx, chromedp.Navigate(origin)))
		script := strings.ReplaceAll(foreignScript, "MARK", quote(mark))
		got := eval[map[string]string](p, fmt.Sprintf("(%s)(%s, %s)", script, quoteAll(targets), quote(execution)))
		require.Len(t, got, 8*len(targets))
		for what, came := range got {
			opaque := strings.Contains(what, "no-cors") || strings.Contains(what, " text") || strings.Contains(what, "without") || strings.Contains(what, "no body")
			require.True(t, came == "refused" || opaque && came == "opaque", "%s from %s: %s", what, origin, came)
		}
	}

	// The site's name now resolves to this machine: its page is same-origin,
	// and only the name reveals it.
	rebound := "http://evil.example:" + own.Port()
	for _, base := range []string{rebound, strings.Replace(s.scheduler, "127.0.0.1", "evil.example", 1), strings.Replace(s.workerManager, "127.0.0.1", "evil.example", 1)} {
		require.NoError(t, chromedp.Do(p.ctx, chromedp.Navigate(base+"/ui/")))
		p.until("it is refused", "document.body.innerText.includes('MISDIRECTED_REQUEST')")
		for _, attempt := range []string{
			"fetch('/api/v1/executions')", "fetch('/api/v1/events?follow=true')",
			"fetch('/api/v1/execute', {method: 'POST', headers: {'Content-Type': 'application/json'}, body: JSON.stringify({command: 'touch ' + " + quote(mark) + "})})",
			"fetch('/api/v1/executions/" + execution + "/cancel', {method: 'POST'})",
		} {
			require.Equal(t, 421, eval[int](p, attempt+".then((r) => r.status)"), "%s at %s", attempt, base)
		}
	}

	require.NoError(t, chromedp.Do(p.ctx, chromedp.Navigate("http://evil.example:"+port)))
	eval[chromedp.Void](p, "document.querySelector('a').click()")
	p.until("the link leads to the console", "document.querySelector('main')?.innerText.includes('shell')")

	status, e := call(t, "GET", s.orchestrator+"/api/v1/executions/"+execution, "")
	require.Equal(t, 200, status)
	require.Nil(t, e["cancel_requested_at"])
	status, list := call(t, "GET", s.orchestrator+"/api/v1/executions", "")
	require.Equal(t, 200, status)
	require.Len(t, list["items"], 1, "nothing was executed")
	require.NoFileExists(t, mark)
}

// TestDocsInABrowser renders the documentation with a policy without inline
// scripts. The browser must report no violation.
func TestDocsInABrowser(t *testing.T) {
	t.Parallel()
	s := up(t)
	p := browse(t, s.orchestrator)
	require.NoError(t, chromedp.Do(p.ctx, chromedp.Navigate(s.orchestrator+"/docs")))
	p.until("the operations are shown", "document.body.innerText.includes('/api/v1/pipelines')")
	eval[chromedp.Void](p, "document.querySelector('.opblock-summary-control').click()")
	p.until("an operation opens", "document.querySelector('.opblock.is-open')")
}

func quoteAll(texts []string) string {
	var all []string
	for _, text := range texts {
		all = append(all, quote(text))
	}
	return "[" + strings.Join(all, ", ") + "]"
}
