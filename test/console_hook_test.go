package test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestConsoleHooks shows the hooks of a pipeline with the log of their deliveries, approves,
// rejects and repeats deliveries.
func TestConsoleHooks(t *testing.T) {
	t.Parallel()
	h := hookedSystem(t)
	h.started("github", "push", "one", recorded(t, "github_push"))
	p := browse(t, h.orchestrator)
	p.open("/")
	p.sees("Overview")
	p.chord("gh")
	p.at("/ui/hooks")
	p.until("all are listed", "document.querySelectorAll('tbody tr').length === 4")
	p.click("hooked: github")
	p.at("/ui" + h.urls["github"][len("/api/v1"):])
	p.sees(h.urls["github"])
	p.sees("refs/heads/main")
	p.sees("octocat")
	p.click("Redeliver push refs/heads/main")
	p.until("the run is shown", "/: hooked#2/.test(document.title)")
	p.sees("by octocat")

	h.post("github", "pull_request", "fork", recorded(t, "github_fork"))
	h.post("github", "ping", "ping", recorded(t, "github_ping"))
	p.open(h.urls["github"][len("/api/v1"):] + "?status=BLOCKED")
	p.sees("a pull request from a fork")
	p.until("only it is shown", "document.querySelectorAll('[aria-label=Deliveries] tbody tr').length === 1")
	p.click("Redeliver pull_request refs/pull/27/head")
	p.until("it is blocked again", "document.querySelectorAll('[aria-label=Deliveries] tbody tr').length === 2")
	p.click("Reject refs/pull/27/head")
	p.until("one is rejected", "document.querySelectorAll('[aria-label=Deliveries] tbody tr').length === 1")
	p.click("Approve refs/pull/27/head")
	p.click("Approve")
	p.until("its run is shown", "/: hooked#3/.test(document.title)")
	p.open(h.urls["github"][len("/api/v1"):])
	p.sees("rejected")
	p.sees("Ignored")
}

// TestConsoleNotifications shows the messages about a run with the reason of a failure, and
// tries one again.
func TestConsoleNotifications(t *testing.T) {
	t.Parallel()
	s := up(t)
	status, raw, _ := request(t, "PUT", s.orchestrator+"/pipelines/notifying",
		"notify: [ { webhook: 'http://10.0.0.1/x', secret: KEY } ]\njobs: { a: { command: 'true' } }\n", http.Header{"Content-Type": {"application/yaml"}})
	require.Equal(t, 201, status, string(raw))
	_, r := call(t, "POST", s.orchestrator+"/pipelines/notifying/execute", "")
	p := browse(t, s.orchestrator)
	p.open("/runs/" + r["id"].(string))
	p.sees("http://10.0.0.1/x")
	p.sees("there is no secret KEY")
	status, made := call(t, "PUT", s.orchestrator+"/secrets/KEY", `{"value":"hunter2hunter2"}`)
	require.Equal(t, 200, status, made)
	p.chord("gn")
	p.at("/ui/notifications")
	p.sees("Retry now")
	p.click("Retry now: completed to http://10.0.0.1/x")
	p.sees("is not of the internet")
	p.open("/notifications?status=DELIVERED")
	p.sees("No notification in this state")
	p.open("/pipelines/" + r["pipeline_id"].(string))
	p.until("it is shown with its pipeline", "document.querySelector('[aria-label=Notifications]').innerText.includes('completed')")
}
