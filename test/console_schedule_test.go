package test

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
)

// TestConsoleSchedules shows the schedules of a pipeline with their coming day, triggers one,
// and pauses it.
func TestConsoleSchedules(t *testing.T) {
	t.Parallel()
	s := up(t)
	release := s.pipeline(t, "release", object{"key": "build", "command": "echo built"})
	status, made := call(t, "POST", s.orchestrator+"/schedules", fmt.Sprintf(`{"pipeline_id":%q,"name":"nightly","cron":"*/20 * * * *","timezone":"Europe/Madrid"}`, release))
	require.Equal(t, 201, status)
	id := made["id"].(string)
	p := browse(t, s.orchestrator)
	p.open("/")
	p.sees("Overview")
	p.chord("gc")
	p.at("/ui/schedules")
	p.sees("nightly")
	p.sees("Next 24 hours")
	p.until("each planned time of the day is marked", "document.querySelectorAll('.day-track i').length === 72")
	p.until("the next time lies ahead", "/in \\d+ (s|min)|just now/.test(document.querySelector('tbody').innerText)")
	p.click("nightly")
	p.at("/ui/schedules/" + id)
	p.sees("Europe/Madrid")
	p.sees("It has not fired yet")

	p.click("Trigger")
	p.until("the run is shown", "document.title.startsWith('Completed: release#1')")
	p.sees("on schedule")
	p.open("/schedules/" + id)
	p.sees("#1")
	p.sees("manual")
	p.until("its outcome is known", "document.querySelector('[aria-label=Fires]').innerText.includes('Completed')")

	p.click("Pause")
	p.sees("Resume")
	_, now := call(t, "GET", s.orchestrator+"/schedules/"+id, "")
	require.Equal(t, true, now["paused"])
	p.open("/pipelines/" + release)
	p.sees("nightly")
	p.until("the pause is shown", "document.querySelector('[aria-label=Schedules]').innerText.includes('paused')")
	p.open("/schedules?paused=false")
	p.sees("No schedule in this state")
}

// TestConsoleTokensAndAudit has an admin create a token, whose text is shown once, and revoke
// it; the audit log shows both. Neither page is offered to others. The keys of workers are, but
// nothing to do about them.
func TestConsoleTokensAndAudit(t *testing.T) {
	t.Parallel()
	s := upWithAuth(t)
	p := openTab(t, s.orchestrator)
	require.NoError(t, chromedp.Do(p.ctx, chromedp.Navigate(s.find(`console +(http://\S+)`))))
	signedInAs(p, "hodei up · admin")
	p.open("/tokens")
	p.click("New token")
	p.fill("Name", "build server")
	p.click("Create token")
	p.sees("Copy the token now")
	text := eval[string](p, "document.querySelector('.token').innerText")
	status, who := s.as(text, "GET", "/whoami", "")
	require.Equal(t, 200, status)
	require.Equal(t, "developer", who["role"])
	p.click("Done")
	p.until("the text is gone", "!document.documentElement.outerHTML.includes("+quote(text)+")")

	p.click("Revoke build server")
	p.click("Revoke token")
	p.until("it is gone", "!document.querySelector('main').innerText.includes('build server')")
	status, _ = s.as(text, "GET", "/whoami", "")
	require.Equal(t, 401, status)
	p.open("/audit")
	p.sees("tokens.create")
	p.sees("tokens.delete")
	p.open("/audit?outcome=FORBIDDEN")
	p.sees("No records")
	_, viewer := s.token(hodei.Viewer, "")
	status, _ = s.as(viewer, "GET", "/audit", "")
	require.Equal(t, 403, status)
	p.open("/audit?outcome=FORBIDDEN&name=viewer")
	p.sees("audit.list")
	s.letIn(p)

	eval[chromedp.Void](p, "document.querySelector('.me button').click()")
	p.sees("Sign in to Hodei")
	p.fill("Token", viewer)
	p.click("Sign in")
	signedInAs(p, "viewer · viewer")
	p.until("neither is offered", "!/Tokens|Audit/.test(document.querySelector('nav').innerText) && document.querySelector('nav').innerText.includes('Schedules')")
	p.open("/workers/keys?state=revoked")
	p.sees("rack 1")
	p.open("/workers/keys?state=waiting")
	p.sees("rack 2")
	p.until("a viewer decides nothing", "!/Approve|Revoke\\b/.test([...document.querySelectorAll('main table button')].map((b) => b.innerText).join())")
}

// letIn has two workers join that need an approval, approves and revokes the first on the page
// of the keys, and leaves the second waiting.
func (s guarded) letIn(p *page) {
	_, text := s.joinToken(`,"needs_approval":true,"max_uses":2`)
	first := newJoiner(p.t)
	_, err := first.connect(s, first.id, text, nats.Name("rack 1"))
	require.ErrorIs(p.t, err, nats.ErrAuthorization, "it waits")
	p.open("/workers")
	p.click("1 waiting for approval")
	p.at("/ui/workers/keys")
	p.sees("rack 1")
	second := newJoiner(p.t)
	_, err = second.connect(s, second.id, text, nats.Name("rack 2"))
	require.ErrorIs(p.t, err, nats.ErrAuthorization, "it waits")
	p.sees("rack 2") // without a reload
	p.click("Approve rack 1")
	p.sees("Approved by hodei up")
	_, err = first.connect(s, first.id, "")
	require.NoError(p.t, err)
	p.click("Revoke rack 1")
	p.click("Revoke worker")
	p.until("it is revoked", "document.querySelector('tbody').innerText.includes('Revoked') && !document.querySelector('tbody').innerText.includes('Approved')")
	_, err = first.connect(s, first.id, "")
	require.ErrorIs(p.t, err, nats.ErrAuthorization)
}
