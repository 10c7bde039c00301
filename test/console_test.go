package test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// TestConsoleFirstRun creates a pipeline and a job in the console, runs it, and
// watches its log arrive line by line.
func TestConsoleFirstRun(t *testing.T) {
	t.Parallel()
	s := up(t)
	p := browse(t, s.orchestrator)
	gates := t.TempDir()
	p.open("/")
	p.sees("Nothing has run yet")
	p.chord("gp")
	p.sees("No pipelines yet")
	p.sees("hodei pipeline create demo")
	p.click("New pipeline")
	p.fill("Name", "web shop")
	p.click("Create pipeline")
	p.sees("No jobs yet")
	p.click("New job")
	p.fill("Name", "build")
	p.fill("Command", `for i in 1 2 3; do until [ -e `+gates+`/$i ]; do sleep 0.02; done; printf "\033[32mstep $i\033[0m of $OF\n"; done; echo oops >&2; printf '1%%\r50%%\r100%%\n'`)
	p.fill("Environment", "OF=three")
	p.click("Create job")
	p.sees("build")
	p.click("Run")
	p.until("the execution runs", "document.title.startsWith('Running')")
	for i := 1; i <= 3; i++ {
		require.Len(t, p.lines(), i-1, "nothing before it is printed")
		require.NoError(t, os.WriteFile(filepath.Join(gates, fmt.Sprint(i)), nil, 0o644))
		p.until("the line is there", fmt.Sprintf(`[...document.querySelectorAll('.log-row')].some((r) =>
			r.querySelector('.log-number').innerText === '%d' && r.querySelector('.log-text')?.innerText === 'step %[1]d of three')`, i))
	}
	p.until("it has completed", "document.title.startsWith('Completed')")
	p.sees("Completed")
	p.is("document.querySelector('.ansi-green-fg').innerText", "step 1")
	p.is("document.querySelector('.is-stderr .log-text').innerText", "oops")
	p.sees("100%")
	require.NotContains(t, eval[string](p, "document.querySelector('.log').innerText"), "50%", "a progress line shows its last state")
	p.click("3 updates")
	p.until("all its states are shown", "document.querySelector('dialog .folded').innerText.includes('50%')")
	p.click("Close")

	raw := eval[string](p, "fetch(document.querySelector('a[download]').href).then((r) => r.text())")
	require.Equal(t, "\x1b[32mstep 1\x1b[0m of three", strings.Split(raw, "\n")[0], "the download is the log as it is")
	p.click("Run again")
	p.sees("Attempt 1")
	p.sees("Attempt 2")
	p.chord("gp")
	p.sees("web shop")
	p.until("both runs are marks", "document.querySelectorAll('.mark').length === 2")
	p.chord("go")
	p.sees("Recently finished")
	p.until("the hour has two", "[...document.querySelectorAll('.tile')].some((t) => t.innerText.includes('Completed') && t.innerText.includes('2'))")
}

// TestConsoleOverrides runs a job with another command and additional
// environment.
func TestConsoleOverrides(t *testing.T) {
	t.Parallel()
	s := up(t)
	p := browse(t, s.orchestrator)
	job := s.job(`{"name":"greet","command":"echo hello $WHO","environment":{"WHO":"you"}}`)
	p.open("/jobs/" + job)
	p.click("Run with…")
	p.until("one can type at once", "document.activeElement.name === 'command'")
	p.fill("Command", "echo goodbye $WHO")
	p.fill("Environment", "not a pair")
	p.click("Run")
	p.until("the mistake is named", "document.querySelector('dialog').innerText.includes('not a pair')")
	p.fill("Environment", "WHO=all")
	p.click("Run")
	p.sees("goodbye all")
	p.press("e") // has no effect here
	p.open("/jobs/" + job + "/edit")
	p.fill("Command", "echo edited")
	p.fill("Priority", "7")
	p.click("Save")
	p.sees("echo edited")
	_, j := call(t, "GET", s.orchestrator+"/jobs/"+job, "")
	require.Equal(t, "echo edited", j["command"])
	require.Equal(t, 7.0, j["priority"])
	require.Equal(t, object{"WHO": "you"}, j["environment"], "what was not touched stays")
}

// TestConsoleFleet cancels, sees why an execution waits, drains, resumes and
// terminates.
func TestConsoleFleet(t *testing.T) {
	t.Parallel()
	s := up(t, "--workers", "0")
	start(t, "worker", "--nats", s.nats, "--state-dir", t.TempDir(), "--type", "rust", "--capacity", "2") // up would replace its own
	p := browse(t, s.orchestrator)
	running := s.execute("echo begun; sleep 1000")
	p.open("/executions/" + running)
	p.sees("begun")
	p.click("Cancel")
	p.click("Cancel execution")
	p.until("it is cancelled", "document.title.startsWith('Cancelled')")

	status, x := call(t, "POST", s.workerManager+"/execute", `{"command":"true","type":"gpu"}`)
	require.Equal(t, 201, status)
	waiting := x["id"].(string)
	p.open("/queue")
	p.sees("no worker of type gpu")
	p.sees("1 that no worker can run")
	p.is("document.querySelector('main .never').innerText", "impossible")
	p.click("Placement")
	p.sees("No worker can run this")
	p.sees("--type gpu")
	p.sees("Not eligible: other type")
	p.at("/ui/why?execution_id=" + waiting)
	p.open("/executions/" + waiting)
	p.sees("#1 in queue. No worker can run this")
	p.open("/why")
	p.fill("Slots", "2")
	p.click("Explain")
	p.sees("would be chosen")
	p.at("/ui/why?capacity=2")

	s.execute("sleep 1000")
	_, x = call(t, "POST", s.workerManager+"/execute", `{"command":"true","requirements":{"capacity":2}}`)
	p.open("/why?execution_id=" + x["id"].(string))
	p.sees("#2 in queue: no worker with 2 free slots: 1 busy")
	p.open("/why")
	p.sees("reserved for an execution that waits longer")
	p.open("/workers")
	p.sees("Busy")
	p.click("Drain")
	p.sees("Draining")
	p.open("/workers?status=DRAINING")
	p.click("Resume")
	p.sees("No matching workers")
	p.open("/workers")
	p.sees("Busy")
	p.click("Terminate")
	p.until("it names the consequence", "document.querySelector('dialog').innerText.includes('kills its execution')")
	p.click("Terminate")
	p.sees("No active workers")
	p.chord("ge")
	p.sees("worker terminated")
}

// TestConsoleEndings: an execution shows why it ended, its resources and its
// next attempt, with links to all attempts.
func TestConsoleEndings(t *testing.T) {
	t.Parallel()
	s := up(t)
	p := browse(t, s.orchestrator)
	for _, c := range [][2]string{
		{`{"command":"kill -SEGV $$"}`, "Killed by SIGSEGV, which Hodei did not send"},
		{`{"command":["/no/such/program"]}`, "Program not found or not executable"},
		{`{"command":"sleep 1000","timeout_seconds":0.1}`, "Timed out after 100 ms"},
	} {
		_, x := call(t, "POST", s.workerManager+"/execute", c[0])
		p.open("/executions/" + x["id"].(string))
		p.sees(c[1])
	}
	run := func(job string) string {
		_, x := call(t, "POST", s.orchestrator+"/jobs/"+job+"/execute", "")
		p.open("/executions/" + x["execution_id"].(string))
		return x["execution_id"].(string)
	}
	first := run(s.job(`{"name":"build","command":"exit 3","retries":{"max":2,"backoff_seconds":3600}}`))
	p.sees("Failed with exit code 3.")
	p.sees("Attempt 2 of 3 starts at")
	p.sees("Peak memory")
	p.sees("CPU time")
	p.click("Cancel retry")
	eval[chromedp.Void](p, "document.querySelector('dialog .danger').click()")
	p.until("nothing follows", "!document.querySelector('.ending time')")
	_, e := call(t, "GET", s.orchestrator+"/executions/"+first, "")
	require.Nil(t, e["retry_at"])

	first = run(s.job(`{"command":"exit 4","retries":{"max":1}}`))
	p.sees("Attempt 2")
	p.click("Attempt 2")
	p.sees("Retry of")
	p.sees("Failed with exit code 4.")
	p.click("Attempt 1")
	p.until("back at the first", "location.pathname.endsWith("+quote(first)+")")
}

// TestConsoleFollowsChanges: lists change without a reload, and no view
// polls.
func TestConsoleFollowsChanges(t *testing.T) {
	t.Parallel()
	s := up(t, "--worker-capacity", "4")
	p := browse(t, s.orchestrator)
	p.open("/executions")
	p.sees("Nothing has run yet")
	id := s.execute("sleep 1000")
	p.sees("Running")
	call(t, "POST", s.orchestrator+"/executions/"+id+"/cancel", "")
	p.sees("Cancelled")
	p.open("/executions?status=RUNNING")
	p.sees("No matching executions")
	id = s.execute("sleep 1000")
	p.sees("sleep 1000")
	p.click("sleep 1000")
	p.at("/ui/executions/" + id)
	eval[chromedp.Void](p, "history.back()")
	p.until("back to the filter", "location.search === '?status=RUNNING'")
	call(t, "POST", s.orchestrator+"/executions/"+id+"/cancel", "")
	p.sees("No matching executions")
}

// TestConsoleOutlivesTheEdge: the edge is killed in the middle of a log and
// restarted. The page reports it, continues, and has every line once.
func TestConsoleOutlivesTheEdge(t *testing.T) {
	t.Parallel()
	s := up(t)
	gates := t.TempDir()
	open := func(gate string) { require.NoError(t, os.WriteFile(filepath.Join(gates, gate), nil, 0o644)) }
	port := strconv.Itoa(freePorts(t, 3))
	edge := start(t, "edge", "--nats", s.nats, "--port-base", port)
	base := strings.Fields(edge.find(`ready edge (.*)`))[0]
	p := browse(t, base)
	const count = 300
	id := s.execute(fmt.Sprintf(`cd %s; wait() { until [ -e $1 ]; do sleep 0.02; done; }
		i=0; while [ $i -lt %d ]; do i=$((i+1)); echo "line $i"; [ $i != 20 ] || wait middle; done; wait last; echo end`, gates, count))
	p.open("/executions/" + id)
	p.sees("line 20")
	p.mayLose.Store(true)
	edge.kill()
	open("middle")
	p.sees("Connection to Hodei lost")
	p.sees("Reconnecting")
	start(t, "edge", "--nats", s.nats, "--port-base", port)
	p.until("the banner is gone", "!document.querySelector('.banner')")
	open("last")
	p.until("the log has ended", "document.querySelector('.log-state').innerText === 'Ended'")
	got := p.wholeLog(count + 1)
	for i := range count {
		require.Equal(t, fmt.Sprintf("line %d", i+1), got[i])
	}
	require.Equal(t, "end", got[count])
	p.until("all lines are counted", fmt.Sprintf("Number(document.querySelector('.log-count').innerText.replace(/\\D/g, '')) === %d", count+1))
}

// TestConsoleLongLog: a line by its link, search, the end, and following.
func TestConsoleLongLog(t *testing.T) {
	t.Parallel()
	s := up(t)
	const count = 120_000
	id := s.execute(fmt.Sprintf("seq -f 'this is line %%.0f' %d; echo needle; sleep 0.2; exit 3", count))
	require.Equal(t, "FAILED", s.ended(id)["status"])
	p := browse(t, s.orchestrator)
	p.open("/executions/" + id + "#L77777")
	p.sees("this is line 77777")
	p.is("document.querySelector('.log-row.is-target .log-text').innerText", "this is line 77777")
	p.open("/executions/" + id)
	p.until("one that failed is shown from its end", "[...document.querySelectorAll('.log-text')].some((t) => t.textContent === 'needle')")
	p.chord("gg")
	p.sees("this is line 1\n")
	p.until("few rows are in the page", "document.querySelectorAll('.log-row').length < 200")
	p.search("LINE 99999")
	p.until("nothing is found: capitals are meant", "document.querySelector('.log-search').innerText.startsWith('none') && !document.querySelector('.log-search').innerText.includes('%')")
	p.search("e 9999")
	p.sees("this is line 9999")
	p.until("all are found", "document.querySelector('.log-search').innerText.includes('1 of 11')")
	p.press("\r")
	p.sees("this is line 99990")
	p.press("\r")
	p.sees("this is line 99991")
	eval[chromedp.Void](p, "document.querySelector('a.log-number[data-line=\"99991\"]').click()")
	p.at("/ui/executions/" + id + "#L99991")
}

// TestConsoleFollowStops when the user scrolls up, and resumes.
func TestConsoleFollowStops(t *testing.T) {
	t.Parallel()
	s := up(t)
	p := browse(t, s.orchestrator)
	id := s.execute(`i=0; while :; do i=$((i+1)); echo "line $i"; sleep 0.01; done`)
	p.open("/executions/" + id)
	last := "Math.max(...[...document.querySelectorAll('.log-number')].map((n) => Number(n.innerText)))"
	p.until("it follows", last+" > 150")
	require.False(t, eval[bool](p, "!!document.querySelector('.log-jump')"))
	eval[chromedp.Void](p, "document.querySelector('.log-scroll').scrollTop = 400")
	p.until("it offers to go on", "document.querySelector('.log-jump')")
	first := eval[string](p, "document.querySelector('.log-row').innerText")
	count := eval[int](p, "Number(document.querySelector('.log-count').innerText.replace(/\\D/g, ''))")
	p.until("more has come", fmt.Sprintf("Number(document.querySelector('.log-count').innerText.replace(/\\D/g, '')) > %d", count+50))
	require.Equal(t, first, eval[string](p, "document.querySelector('.log-row').innerText"), "what is read stays where it is")
	p.click("Jump to live")
	p.until("it follows again", fmt.Sprintf("%s > %d", last, count+50))
	call(t, "POST", s.orchestrator+"/executions/"+id+"/cancel", "")
	p.until("it has ended", "document.querySelector('.log-state').innerText === 'Ended'")
}

// axeFound is a violation that axe found in a page.
type axeFound struct {
	ID     string   `json:"id"`
	Impact string   `json:"impact"`
	Help   string   `json:"help"`
	Where  []string `json:"where"`
}

// TestConsoleEventsDuringARead: what starts and ends after the server has answered, and before
// the page has the answer, is in the list.
func TestConsoleEventsDuringARead(t *testing.T) {
	t.Parallel()
	s := up(t)
	over := s.execute("sleep 600")
	p := browse(t, s.orchestrator)
	eventually(t, "it runs", time.Minute, func() bool {
		_, e := call(t, "GET", s.orchestrator+"/executions/"+over, "")
		return e["status"] == "RUNNING"
	})
	p.runs(`(() => {
		const send = window.fetch, held = new Promise((release) => { window.release = release; });
		window.fetch = async (...request) => {
			const answer = await send(...request);
			if (String(request[0]).includes('status=RUNNING')) { window.answered = true; await held; }
			return answer;
		};
	})()`)
	p.open("/")
	p.until("the server has answered", "window.answered")
	first, second := s.execute("sleep 600"), s.execute("sleep 600")
	_, _ = call(t, "POST", s.orchestrator+"/executions/"+over+"/cancel", "")
	s.ended(over)
	p.until("the events have arrived", "document.title.startsWith('2 running')")
	eval[chromedp.Void](p, "window.release()")
	rows := `[...document.querySelectorAll('[aria-label="Running now"] .row-link')].map((link) => link.getAttribute('href')).sort().join()`
	p.is(rows, "/ui/executions/"+first+",/ui/executions/"+second)
}

// TestConsoleIsAccessible runs axe on every view, light and dark, wide and
// narrow, and on dialogs. There must be no serious violation.
func TestConsoleIsAccessible(t *testing.T) {
	t.Parallel()
	s := up(t, "--worker-capacity", "3")
	axe, err := os.ReadFile("testdata/axe/axe.min.js")
	require.NoError(t, err)
	job := s.job(`{"name":"build","command":"printf '\\033[31mred\\033[33m yellow\\033[0m\\n'; echo oops >&2","environment":{"A":"b"}}`)
	var ran string
	for range 4 {
		_, x := call(t, "POST", s.orchestrator+"/jobs/"+job+"/execute", "")
		ran = x["execution_id"].(string)
		s.ended(ran)
	}
	s.ended(s.execute("exit 1"))
	running := s.execute("echo hello; sleep 1000")
	_, x := call(t, "POST", s.workerManager+"/execute", `{"command":"true","type":"gpu"}`)
	waiting := x["id"].(string)
	_, x = call(t, "POST", s.orchestrator+"/jobs/"+s.job(`{"command":"exit 3","retries":{"max":1,"backoff_seconds":3600}}`)+"/execute", "")
	failed := x["execution_id"].(string)
	_, j := call(t, "GET", s.orchestrator+"/jobs/"+job, "")
	pipeline := j["pipeline_id"].(string)
	_, workers := call(t, "GET", s.orchestrator+"/workers", "")
	worker := workers["items"].([]any)[0].(object)["id"].(string)

	release := s.pipeline(t, "release", object{"key": "build", "command": "echo built; " + filesOfAJob, "artifacts": []object{{"name": "files", "paths": []string{"out"}}}},
		object{"key": "deploy", "needs": []string{"build"}, "approval": object{"message": "Deploy to prod?"}, "command": "true"})
	_, r := call(t, "POST", s.orchestrator+"/pipelines/"+release+"/execute", "")
	run := r["id"].(string)

	_, _ = call(t, "PUT", s.orchestrator+"/secrets/AXE_SECRET", `{"value":"hunter2hunter2"}`)
	_, x = call(t, "POST", s.orchestrator+"/schedules", fmt.Sprintf(`{"pipeline_id":%q,"name":"nightly","cron":"0 3 * * *"}`, release))
	nightly := x["id"].(string)
	_, _ = call(t, "POST", s.orchestrator+"/schedules/"+nightly+"/trigger", "")

	w := world{s: s, pipeline: release}
	s.joined()
	hook, _ := w.blockedDelivery()
	w.notification()

	p := browse(t, s.orchestrator)
	p.open("/")
	p.sees("Recently finished")
	eval[chromedp.Void](p, string(axe))
	for path, sees := range map[string]string{
		"/hooks": "gitlab", "/hooks/" + hook: "Approve", "/notifications": "is not of the internet", "/hooks/" + hook + "?status=IGNORED": "No delivery",
		"/": "Recently finished", "/pipelines": "test", "/pipelines/new": "Name", "/pipelines/" + pipeline: "build", "/pipelines/" + pipeline + "/edit": "Save",
		"/pipelines/" + pipeline + "/jobs/new": "Placement", "/jobs/" + job: "Executions", "/jobs/" + job + "/edit": "Save", "/executions": "Completed",
		"/executions?status=TIMED_OUT": "No matching executions", "/executions/" + ran + "#L1": "red", "/executions/" + running: "hello",
		"/executions/" + failed: "starts at", "/executions/" + waiting: "No worker can run this", "/why?execution_id=" + waiting: "No worker can run this",
		"/queue": "gpu", "/secrets": "AXE_SECRET", "/schedules": "nightly", "/schedules/" + nightly: "manual", "/tokens": "workers", "/audit": "No records", "/workers": "1 waiting for approval", "/workers/keys": "Waits for approval", "/workers/" + worker: "Registered", "/why": "chosen", "/why?execution_id=" + running: "requires", "/nothing": "Page not found",
		"/runs": "release", "/runs/" + run: "Deploy to prod?", "/runs/" + run + "?view=timeline&job=build": "built", "/pipelines/" + release: "#1",
	} {
		p.visit(path)
		p.sees(sees)
		p.theme("light")
		p.accessible(path+" light", "{}")
		p.theme("dark")
		p.accessible(path+" dark", "{ runOnly: ['color-contrast'] }") // a theme is nothing but colours
	}
	p.visit("/jobs/" + job)
	p.click("Run with…")
	p.accessible("the dialog to run", "{}")
	p.click("Close")
	p.press("?")
	p.accessible("the keyboard", "{}")
	p.click("Close")
	p.visit("/runs/" + run)
	p.click("files")
	p.sees("out/report.xml")
	eval[chromedp.Void](p, "document.querySelectorAll('details').forEach((d) => { d.open = true; })")
	p.accessible("tests and files", "{}")
	p.click("out/report.xml")
	p.until("it is shown", "document.querySelector('dialog pre')")
	p.accessible("the preview", "{}")
}

// accessible requires that the page breaks none of the rules that the options select.
func (p *page) accessible(what, options string) {
	p.t.Helper()
	p.rests()
	found := eval[[]axeFound](p, `axe.run(document, { resultTypes: ['violations'], ...`+options+` }).then((r) => r.violations
		.filter((v) => v.impact === 'serious' || v.impact === 'critical')
		.map((v) => ({ id: v.id, impact: v.impact, help: v.help, where: v.nodes.slice(0, 3).map((n) => n.html.slice(0, 200) + ' ' + (n.any[0]?.message ?? '')) })))`)
	report, err := json.MarshalIndent(found, "", "  ")
	require.NoError(p.t, err)
	require.Empty(p.t, found, "%s: %s", what, report)
}
