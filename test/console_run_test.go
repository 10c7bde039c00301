package test

import (
	"net/url"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// pipeline creates a pipeline, and its jobs from the bodies given, each without
// pipeline_id.
func (s *system) pipeline(t *testing.T, name string, jobs ...object) string {
	t.Helper()
	status, p := call(t, "POST", s.orchestrator+"/pipelines", quote(object{"name": name}))
	require.Equal(t, 201, status, p)
	for _, job := range jobs {
		job["pipeline_id"] = p["id"]
		status, made := call(t, "POST", s.orchestrator+"/jobs", quote(job))
		require.Equal(t, 201, status, made)
	}
	return p["id"].(string)
}

// TestConsoleRun starts a pipeline, follows its run in the graph, reads the logs of
// its jobs, approves, and reruns what failed.
func TestConsoleRun(t *testing.T) {
	t.Parallel()
	s := up(t, "--worker-capacity", "8")
	p := browse(t, s.orchestrator)
	id := s.pipeline(t, "release",
		object{"key": "build", "command": "echo built; " + filesOfAJob, "artifacts": []object{{"name": "files", "paths": []string{"out"}}}},
		object{"key": "lint", "command": "exit 2", "allow_failure": true},
		object{"key": "test", "needs": []string{"build"}, "matrix": object{"values": object{"go": []string{"1.25", "1.26"}}}, "command": "echo go $MATRIX_GO"},
		object{"key": "deploy", "needs": []string{"test", "lint"}, "approval": object{"message": "Deploy to prod?"}, "command": "echo deployed; exit 1"},
		object{"key": "page", "needs": []string{"test"}, "when": "failure", "command": "true"},
		object{"key": "after", "needs": []string{"deploy"}, "command": "true"},
	)
	p.open("/pipelines/" + id)
	p.click("Run pipeline")
	p.sees("It takes no parameters")
	eval[chromedp.Void](p, "document.querySelector('dialog .primary').click()")
	p.sees("Deploy to prod?")
	p.until("the matrix is folded", "[...document.querySelectorAll('.node')].some((n) => n.innerText.includes('2 of 2 legs'))")
	p.until("the tolerated failure is shown", "[...document.querySelectorAll('.node')].some((n) => n.innerText.includes('lint') && n.innerText.includes('allowed to fail'))")
	p.until("the skipped job has its reason", "[...document.querySelectorAll('.node')].some((n) => n.innerText.includes('page') && n.innerText.includes('condition'))")
	p.is("String(document.querySelectorAll('.node').length)", "6")

	run := eval[string](p, "location.pathname.split('/').at(-1)")
	p.open("/runs/" + run + "?job=" + url.QueryEscape("test[go=1.26]"))
	p.sees("go 1.26")
	p.click("go=1.25")
	p.sees("go 1.25")
	p.click("Timeline")
	p.until("each leg has a bar", "document.querySelectorAll('.timeline .phase-track').length >= 4")
	p.press("]") // the next job
	p.sees("go 1.26")

	p.click("All jobs")
	p.until("each line has its job", "[...document.querySelectorAll('.log-row')].some((r) => r.innerText.includes('build') && r.innerText.includes('built'))")
	p.sees("go 1.25")
	p.sees("go 1.26")
	p.click("One job")
	p.sees("Deploy to prod?")

	p.fill("Comment", "go ahead")
	p.click("Approve")
	p.until("the run has failed", "document.title.startsWith('Failed')")
	_, r := call(t, "GET", s.orchestrator+"/runs/"+run, "")
	for _, job := range r["jobs"].([]any) {
		if job := job.(object); job["key"] == "deploy" {
			require.Equal(t, "go ahead", job["approval"].(object)["comment"])
		}
	}
	p.sees("deploy failed.")
	p.files(run)
	p.open("/runs/" + run + "?job=*")
	p.until("the log of a run that has ended is whole", "['built', 'go 1.25', 'go 1.26', 'deployed'].every((line) => document.querySelector('.log').innerText.includes(line))")
	p.sees("Ended")
	p.open("/runs/" + run + "?job=page")
	p.sees("it runs after a failure, and there was none")
	p.open("/runs/" + run + "?job=after")
	p.sees("it needs other jobs, and deploy is FAILED")
	p.until("each reason is shown in words of its own", "[...document.querySelectorAll('.node')].some((n) => n.innerText.includes('after') && n.innerText.includes('need did not succeed'))")
	p.click("Rerun failed")
	p.until("another run is shown", "location.pathname.split('/').at(-1) !== "+quote(run))
	p.sees("Deploy to prod?")
	p.until("what completed is taken over", "[...document.querySelectorAll('.node')].some((n) => n.innerText.includes('build') && n.innerText.includes('earlier run'))")
	p.click("Cancel")
	p.click("Cancel it")
	p.until("it is cancelled", "document.title.startsWith('Cancelled')")
	p.chord("gr")
	p.sees("release#2")
	p.open("/pipelines/" + id)
	p.sees("#1")
	p.until("the test that fails is named, once", "document.querySelector('[aria-label=\"Tests that have failed\"] tbody').innerText.replace(/\\s+/g, ' ') === 'pays build cart Failing 1 of 1 run #1'")
	p.is("document.querySelector('[aria-label=\"Tests by run\"] tbody').innerText.replace(/\\s+/g, ' ')", "#1 1 1 0 2.0 s")
}

// filesOfAJob makes files that a console must not run, and a test report.
const filesOfAJob = `mkdir out
echo '<testsuite name="cart"><testcase name="adds" time="2"/><testcase name="pays"><failure message="want 1"/></testcase></testsuite>' > out/report.xml
echo '<script>document.title = "taken over"</script>' > out/page.html
echo '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>' > out/false.png
echo iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg== | base64 -d > out/dot.png
head -c 100000 /dev/zero | tr '\0' x > out/long.txt; head -c 10 /dev/zero > out/zeros`

// files looks at the tests and the files of a run with filesOfAJob.
func (p *page) files(run string) {
	p.t.Helper()
	p.open("/runs/" + run)
	p.sees("1 passed, 1 failed")
	eval[chromedp.Void](p, "document.querySelector('.failures summary').click()")
	p.sees("want 1")
	p.click("files")
	p.until("its files are listed", "document.querySelectorAll('[aria-label=\"Files of files\"] tbody tr').length === 6")
	for name, shown := range map[string]string{
		"page.html": "dialog.innerText.includes('<script>document.title')", "false.png": "dialog.innerText.includes('<svg')", "zeros": "dialog.innerText.includes('no preview')",
		"dot.png": "dialog.querySelector('img')?.naturalWidth === 1", "long.txt": "dialog.innerText.includes('the beginning of 97.7 KiB')",
	} {
		p.click("out/" + name)
		p.until(name+" is shown", "((dialog) => "+shown+")(document.querySelector('dialog'))")
		p.click("Close")
	}
	p.until("nothing of the job has run", "document.title.startsWith('Failed')")
	require.Equal(p.t, "attachment; filename=page.html|nosniff|default-src 'none'; sandbox|application/octet-stream", eval[string](p, `fetch(document.querySelector('a[aria-label="Download out/page.html"]').href)
		.then((r) => ['Content-Disposition', 'X-Content-Type-Options', 'Content-Security-Policy', 'Content-Type'].map((name) => r.headers.get(name)).join('|'))`))
	p.size(390, 844)
	require.LessOrEqual(p.t, eval[int](p, "document.documentElement.scrollWidth"), 390, "a run fits a narrow screen")
	p.size(1360, 900)
	p.press("jjjjjjjjjjjjjjjjjj")
	p.until("the files are reached by keyboard", "document.activeElement.matches('.files .row-link')")
}

// TestConsoleChildRun: a job that starts another pipeline leads to its run, and that run
// to the job.
func TestConsoleChildRun(t *testing.T) {
	t.Parallel()
	s := up(t)
	p := browse(t, s.orchestrator)
	for slug, definition := range map[string]object{
		"smoke-tests": {"jobs": object{"ping": object{"command": "echo pong"}}},
		"far-away":    {"jobs": object{"fly": object{"type": "astronaut", "command": "true"}, "exit": object{"command": "exit 3"}}},
		"release": {"jobs": object{
			"smoke":  object{"pipeline": object{"slug": "smoke-tests"}},
			"nosuch": object{"needs": []string{"smoke"}, "pipeline": object{"slug": "nosuch"}},
		}},
	} {
		status, made := call(t, "PUT", s.orchestrator+"/pipelines/"+slug, quote(definition))
		require.Equal(t, 201, status, made)
	}
	status, run := call(t, "POST", s.orchestrator+"/pipelines/release/execute", "")
	require.Equal(t, 201, status, run)
	p.open("/runs/" + run["id"].(string) + "?job=smoke")
	p.until("the run has failed", "document.title.startsWith('Failed')")
	p.until("the node names the run", "[...document.querySelectorAll('.node')].some((n) => n.innerText.includes('smoke-tests#1'))")
	p.sees("This job has started")
	p.click("smoke-tests#1")
	p.until("its run is shown", "document.title.includes('smoke-tests#1')")
	p.sees("pong")
	p.click("release#1/smoke")
	p.until("the job is chosen", "document.title.includes('release#1') && location.search.includes('job=smoke')")
	p.press("[") // the job before
	p.sees(`no pipeline has the slug "nosuch"`)
	p.sees("Nothing was executed")

	p.open("/pipelines/release")
	p.sees("starts smoke-tests")
	p.click("smoke")
	p.sees("Starts the pipeline smoke-tests")

	// A job that waits for a worker shows that, and one that failed shows its reason once.
	status, run = call(t, "POST", s.orchestrator+"/pipelines/far-away/execute", "")
	require.Equal(t, 201, status, run)
	p.open("/runs/" + run["id"].(string) + "?job=fly")
	p.sees("No worker can run this: no worker of type astronaut")
	p.open("/runs/" + run["id"].(string) + "?job=exit")
	p.sees("Failed with exit code 3.")
	p.until("the exit code is shown once", "document.querySelector('.chosen').innerText.toLowerCase().split('exit code 3').length === 2")
}
