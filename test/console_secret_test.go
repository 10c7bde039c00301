package test

import (
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// TestConsoleSecrets sets a secret of a pipeline, sets it again, and deletes it. The page
// never has the value that is set.
func TestConsoleSecrets(t *testing.T) {
	t.Parallel()
	s := up(t)
	id := s.pipeline(t, "release")
	p := browse(t, s.orchestrator)
	p.open("/")
	p.sees("Overview")
	p.chord("gs")
	p.sees("No secrets")
	p.click("New secret")
	p.fill("Name", "DEPLOY_KEY")
	eval[chromedp.Void](p, "document.querySelector('#secret-pipeline').value = "+quote(id))
	p.fill("Value", "hunter2hunter2")
	p.click("Set secret")
	p.sees("DEPLOY_KEY")
	p.sees("release")
	_, list := call(t, "GET", s.orchestrator+"/secrets", "")
	require.Len(t, list["items"], 1)
	require.Equal(t, id, list["items"].([]any)[0].(object)["pipeline_id"])

	p.click("Set")
	p.fill("Value", "another value")
	p.click("Set secret")
	p.until("the second version is shown", "[...document.querySelectorAll('tbody td')].some((c) => c.innerText === '2')")
	require.False(t, eval[bool](p, "document.documentElement.outerHTML.includes('hunter2') || document.documentElement.outerHTML.includes('another value')"))

	p.click("Delete DEPLOY_KEY")
	p.click("Delete secret")
	p.sees("No secrets")
}
