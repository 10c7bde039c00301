package test

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// TestConsoleLogByHand: links to lines and ranges; wrapping and times, which
// stay set; the states of the details.
func TestConsoleLogByHand(t *testing.T) {
	t.Parallel()
	s := up(t)
	p := browse(t, s.orchestrator)
	id := s.execute(`i=0; while [ $i -lt 50 ]; do i=$((i+1)); printf "line $i %0400d\n" 7; done`)
	s.ended(id)
	p.open("/executions/" + id)
	p.sees("line 5 ")
	number := func(n int) string {
		return fmt.Sprintf("document.querySelector('a.log-number[data-line=\"%d\"]')", n)
	}
	eval[chromedp.Void](p, number(3)+".click()")
	p.at("/ui/executions/" + id + "#L3")
	eval[chromedp.Void](p, number(6)+".dispatchEvent(new MouseEvent('click', { bubbles: true, cancelable: true, shiftKey: true }))")
	p.at("/ui/executions/" + id + "#L3-L6")
	p.until("the range is marked", "document.querySelectorAll('.log-row.is-target').length === 4")

	wide := "document.querySelector('.log-scroll').scrollWidth > document.querySelector('.log-scroll').clientWidth"
	p.until("long lines are not wrapped", wide)
	p.press("l")
	p.until("they are", "!("+wide+")")
	p.press("t")
	p.until("times are shown", "document.querySelector('.log-time')?.checkVisibility()")
	require.Regexp(t, `^\d\d:\d\d:\d\d\.\d{3}$`, eval[string](p, "document.querySelector('.log-time').innerText.trim()"))
	p.press("d")
	p.until("the details are hidden", "!document.querySelector('.details')")
	p.open("/queue") // from here the page of the execution is loaded again
	p.open("/executions/" + id + "#L40")
	p.sees("line 40 ")
	p.until("what was chosen stays", "document.querySelector('.log').matches('.is-wrapped.has-times') && !document.querySelector('.details')")
	p.is("document.querySelector('.is-target .log-text').innerText.slice(0, 7)", "line 40")
}

// TestConsoleByKeyboard navigates without a mouse, changes the theme, and opens
// the help of the keys.
func TestConsoleByKeyboard(t *testing.T) {
	t.Parallel()
	s := up(t)
	p := browse(t, s.orchestrator)
	for i := range 3 {
		call(t, "POST", s.orchestrator+"/pipelines", fmt.Sprintf(`{"name":"number %d","description":"the %d."}`, i, i))
	}
	p.open("/")
	p.sees("Fleet")
	for _, c := range [][2]string{{"gp", "/ui/pipelines"}, {"ge", "/ui/executions"}, {"gq", "/ui/queue"}, {"gw", "/ui/workers"}, {"gy", "/ui/why"}, {"go", "/ui/"}, {"gp", "/ui/pipelines"}} {
		p.chord(c[0])
		p.until(c[1], "location.pathname === "+quote(c[1]))
	}
	p.sees("number 2")
	p.press("jj")
	p.is("document.activeElement.innerText", "number 1")
	p.press("k\r")
	p.until("the row is opened", "document.querySelector('h1').innerText === 'number 2'")
	p.press("e")
	p.fill("Name", "renamed")
	p.click("Save")
	p.until("it has its new name", "document.querySelector('h1').innerText === 'renamed'")
	p.press("c")
	p.until("a job is created", "document.querySelector('h1').innerText === 'New job'")
	p.click("Cancel")
	p.sees("No jobs yet")

	ground := "getComputedStyle(document.body).backgroundColor"
	p.theme("light")
	light := eval[string](p, ground)
	p.press("TT") // light, then dark
	p.until("it is dark", ground+" !== "+quote(light))
	p.open("/pipelines?name=NUMBER")
	p.sees("number 0")
	require.NotContains(t, eval[string](p, "document.querySelector('main').innerText"), "renamed")
	require.NotEqual(t, light, eval[string](p, ground), "what was chosen stays")
	p.press("T")
	p.until("it is as the system is", ground+" === "+quote(light))
	p.press("?")
	p.until("the keys are named", "document.querySelector('dialog[open]')?.innerText.includes('Go to Pipelines')")
	p.press("\x1b")
	p.until("and no longer", "!document.querySelector('dialog')")
}

// TestConsoleShowsErrors: an error of the API appears where the request was
// made, and a missing record is reported with a link onward.
func TestConsoleShowsErrors(t *testing.T) {
	t.Parallel()
	s := up(t)
	p := browse(t, s.orchestrator)
	p.mayLose.Store(true) // the browser logs each error
	job := s.job(`{"name":"build","command":"sleep 1000"}`)
	_, j := call(t, "GET", s.orchestrator+"/jobs/"+job, "")
	pipeline := j["pipeline_id"].(string)
	_, x := call(t, "POST", s.orchestrator+"/jobs/"+job+"/execute", "")
	for _, path := range []string{"/executions/exec_018f0000-0000-7000-8000-000000000000", "/jobs/nonsense", "/workers/worker_018f0000-0000-7000-8000-000000000000"} {
		p.open(path)
		p.sees("NOT_FOUND")
	}
	p.open("/pipelines/" + pipeline)
	p.click("Delete")
	p.click("Delete pipeline")
	p.until("it is refused while something runs", "document.querySelector('dialog .failure').innerText.includes('CONFLICT')")
	p.click("Back")
	call(t, "POST", s.orchestrator+"/executions/"+x["execution_id"].(string)+"/cancel", "")
	s.ended(x["execution_id"].(string))
	p.click("Delete")
	p.click("Delete pipeline")
	p.sees("No pipelines yet")
	p.open("/pipelines/new")
	p.fill("Name", "   ")
	p.click("Create pipeline")
	p.sees("name:")
	p.fill("Name", "good")
	p.click("Create pipeline")
	p.until("it is created", "document.querySelector('h1').innerText === 'good'")
}

// TestConsoleShowsFinalNumbers: numbers that an instance cached for another tab
// are right after the last change.
func TestConsoleShowsFinalNumbers(t *testing.T) {
	t.Parallel()
	s := up(t)
	p := browse(t, s.orchestrator)
	p.open("/")
	p.sees("Nothing has run yet")
	s.ended(s.execute("true"))
	for range 5 {
		call(t, "GET", s.orchestrator+"/stats", "") // as another tab does, just before the event
		s.ended(s.execute("true"))
	}
	p.until("all six are counted", "[...document.querySelectorAll('.tile')].some((t) => t.innerText.startsWith('Completed\\n6'))")
	p.until("and none runs", "document.title.startsWith('Idle')")
}
