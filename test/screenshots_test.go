package test

import (
	"bytes"
	"fmt"
	"image/png"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei/internal/local/localtest"
)

// TestConsoleScreenshots creates a system with realistic work and takes a
// picture of every view. HODEI_SCREENSHOTS is the directory of the pictures in
// the documentation, light and dark; without it the test only verifies that
// each view renders, and fits a narrow screen.
func TestConsoleScreenshots(t *testing.T) {
	t.Parallel()
	database := localtest.Database(t)
	s := up(t, "--workers", "0", "--database-url", database)
	for i, w := range []struct{ kind, capacity, label string }{
		{"rust", "4", "zone=a"}, {"rust", "4", "zone=b"}, {"go", "6", "zone=a"}, {"go", "6", "zone=b"}, {"shell", "8", "zone=a"}, {"shell", "2", "disk=ssd"}, {"gpu", "1", "zone=b"},
	} {
		start(t, "worker", "--nats", s.nats, "--state-dir", t.TempDir(), "--type", w.kind, "--capacity", w.capacity, "--label", w.label,
			"--name", fmt.Sprintf("%s-%d", w.kind, i%2+1))
	}
	_, workers := call(t, "GET", s.orchestrator+"/workers", "")
	t.Cleanup(func() { // do not wait for running executions
		for _, w := range workers["items"].([]any) {
			_, _ = http.Post(s.orchestrator+"/workers/"+w.(object)["id"].(string)+"/terminate", "", nil)
		}
	})
	rounds := 1
	if os.Getenv("HODEI_SCREENSHOTS") != "" {
		rounds = 8 // for the charts
	}
	pipelines, jobs := s.workshop(rounds)
	s.history(database)
	log, waits, failed := s.busy(jobs)

	for _, times := range []string{`"name":"nightly","cron":"0 3 * * *","timezone":"Europe/Madrid"`, `"name":"sync","every_seconds":900`, `"name":"office hours","cron":"*/30 8-18 * * 1-5"`} {
		status, _ := call(t, "POST", s.orchestrator+"/schedules", fmt.Sprintf(`{"pipeline_id":%q,%s}`, pipelines[0], times))
		require.Equal(t, 201, status)
	}

	themes := []string{"light"}
	if os.Getenv("HODEI_SCREENSHOTS") != "" {
		themes = append(themes, "dark")
	}
	p := browse(t, s.orchestrator)
	p.open("/")
	for _, view := range []struct{ name, path, sees string }{
		{"overview", "/", "Running now"}, {"pipelines", "/pipelines", "web shop"}, {"pipeline", "/pipelines/" + pipelines[0], "Executions"},
		{"job", "/jobs/" + jobs["build"], "Executions"}, {"job-form", "/jobs/" + jobs["build"] + "/edit", "Placement"},
		{"executions", "/executions", "Completed"}, {"execution", "/executions/" + log, "lines"}, {"failed", "/executions/" + failed, "starts at"},
		{"pending", "/executions/" + waits, "No worker can run this"}, {"queue", "/queue", "no worker"}, {"workers", "/workers", "Busy"},
		{"worker", "/workers/" + workers["items"].([]any)[0].(object)["id"].(string), "Registered"}, {"why", "/why", "chosen"}, {"schedules", "/schedules", "nightly"},
		{"why-type", "/why?type=rust", "Not eligible"}, {"why-never", "/why?execution_id=" + waits, "No worker can run this"},
	} {
		p.visit(view.path)
		p.sees(view.sees)
		for _, theme := range themes {
			p.theme(theme)
			p.picture(view.name+"-"+theme, 1360, 900)
		}
		p.picture(view.name+"-narrow", 390, 844)
		require.LessOrEqual(t, eval[int](p, "document.documentElement.scrollWidth"), 390, "%s fits a narrow screen", view.name)
		p.size(1360, 900)
	}
	p.visit("/runs/" + s.tested() + "?job=" + url.QueryEscape("test[go=1.26]"))
	p.theme("light")
	p.sees("418 passed, 2 failed")
	eval[chromedp.Void](p, "document.querySelector('.failures summary').click()")
	p.picture("run-light", 1360, 1420)
}

// tested runs a pipeline with test reports and returns its run.
func (s *system) tested() string {
	s.t.Helper()
	const report = `{ echo '<testsuite name="checkout">'
for i in $(seq 210); do
  case $MATRIX_GO-$i in 1.26-4|1.26-9) echo "<testcase classname='checkout' name='TestTotal/case_$i' time='0.12'><failure message='Failed'>total_test.go:$((20 + i)): want 12.50 EUR, got 12.49 EUR</failure></testcase>";;
  *) echo "<testcase classname='checkout' name='TestTotal/case_$i' time='0.0$((i % 9))'/>";; esac
done; echo '</testsuite>'; } > report.xml; echo "PASS 210 tests"; echo "coverage: 83.1% of statements"; ! grep -q failure report.xml`
	status, made := call(s.t, "PUT", s.orchestrator+"/pipelines/checkout", quote(object{"jobs": object{
		"build":   object{"type": "shell", "command": "mkdir out; head -c 300000 /dev/urandom > out/checkout; echo built", "artifacts": []object{{"name": "app", "paths": []string{"out/"}, "keep": "7d"}}},
		"test":    object{"type": "shell", "needs": []string{"build"}, "matrix": object{"values": object{"go": []string{"1.25", "1.26"}}}, "command": report, "artifacts": []object{{"name": "tests", "paths": []string{"report.xml"}, "when": "always"}}},
		"release": object{"type": "shell", "needs": []string{"test"}, "command": "true"},
	}}))
	require.Equal(s.t, 201, status, made)
	_, run := call(s.t, "POST", s.orchestrator+"/pipelines/checkout/execute", "")
	id := run["id"].(string)
	eventually(s.t, "the run has ended", time.Minute, func() bool {
		_, run := call(s.t, "GET", s.orchestrator+"/runs/"+id, "")
		return run["completed_at"] != nil
	})
	return id
}

// size sets the size of the window.
func (p *page) size(width, height int64) {
	p.t.Helper()
	require.NoError(p.t, chromedp.Do(p.ctx, chromedp.EmulateViewport(width, height)))
}

// shown are the pictures in the documentation.
var shown = map[string]bool{
	"overview-light": true, "run-light": true, "execution-dark": true, "failed-light": true, "pipelines-light": true, "workers-dark": true, "why-type-light": true,
}

// picture sets the size of the window, requires that the page is not empty, and
// saves a picture of it if requested. Pictures that are not shown go to an
// ignored directory beside the others.
func (p *page) picture(name string, width, height int64) {
	p.t.Helper()
	p.size(width, height)
	eval[chromedp.Void](p, "document.fonts.ready")
	p.rests()
	shot, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	require.NoError(p.t, err)
	found, err := png.DecodeConfig(bytes.NewReader(shot))
	require.NoError(p.t, err)
	require.Equal(p.t, [2]int{int(width), int(height)}, [2]int{found.Width, found.Height})
	require.Greater(p.t, len(shot), 20<<10, "%s is not an empty page", name)
	dir := os.Getenv("HODEI_SCREENSHOTS")
	if dir == "" {
		return
	}
	img, err := png.Decode(bytes.NewReader(shot))
	require.NoError(p.t, err)
	if !shown[name] {
		dir = filepath.Join(os.TempDir(), "hodei-screenshots")
		require.NoError(p.t, os.MkdirAll(dir, 0o755))
	}
	var small bytes.Buffer
	require.NoError(p.t, (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&small, img))
	require.Less(p.t, small.Len(), 200<<10, "%s is too large for the documentation", name)
	require.NoError(p.t, os.WriteFile(filepath.Join(dir, name+".png"), small.Bytes(), 0o644))
}

// workshop creates pipelines with jobs that have run so many times, some of which failed.
func (s *system) workshop(rounds int) (pipelines []string, jobs map[string]string) {
	s.t.Helper()
	jobs = map[string]string{}
	for _, p := range []struct {
		name, about string
		jobs        [][3]string // name, type, script
	}{
		{"web shop", "Build, test and deploy the shop", [][3]string{
			{"build", "rust", `i=0; while [ $i -lt 12 ]; do i=$((i+1)); printf "\033[32m   Compiling\033[0m shop-core v0.$i.0\n"; sleep 0.0$((i % 4)); done; echo "warning: unused variable: total" >&2; printf "\033[1;32m    Finished\033[0m release in 0.2 s\n"`},
			{"test", "rust", `sleep 0.$(date +%N | cut -c 5); [ $(( $(date +%N | cut -c 4) % 5 )) != 0 ]`},
			{"smoke", "shell", "true"}, {"deploy", "deployer", `echo deploy`},
		}},
		{"nightly backup", "Dump, compress, send away", [][3]string{{"dump", "shell", `sleep 0.1$(date +%N | cut -c 4)`}, {"prune", "shell", `true`}}},
		{"api gateway", "", [][3]string{{"lint", "go", `sleep 0.0$(date +%N | cut -c 4)`}, {"unit tests", "go", `sleep 0.2$(date +%N | cut -c 4)`}}},
		{"models", "Train and publish", [][3]string{{"train", "gpu", "true"}}},
		{"docs site", "Render the manual", [][3]string{{"render", "shell", `sleep 0.05`}}},
	} {
		_, made := call(s.t, "POST", s.orchestrator+"/pipelines", fmt.Sprintf(`{"name":%s,"description":%s}`, quote(p.name), quote(p.about)))
		pipelines = append(pipelines, made["id"].(string))
		for _, j := range p.jobs {
			body := fmt.Sprintf(`{"pipeline_id":%s,"name":%s,"type":%s,"command":%s,"environment":{"PROFILE":"release"},"timeout_seconds":600,"retries":%s}`,
				quote(made["id"].(string)), quote(j[0]), quote(j[1]), quote(j[2]), map[bool]string{true: `{"max":3,"backoff_seconds":1800}`, false: "null"}[j[0] == "smoke"])
			_, job := call(s.t, "POST", s.orchestrator+"/jobs", body)
			jobs[j[0]] = job["id"].(string)
		}
	}
	for range rounds {
		var ids []string
		for _, name := range []string{"build", "test", "dump", "prune", "lint", "unit tests", "render"} {
			_, x := call(s.t, "POST", s.orchestrator+"/jobs/"+jobs[name]+"/execute", "")
			ids = append(ids, x["execution_id"].(string))
		}
		for _, id := range ids {
			s.ended(id)
		}
	}
	return pipelines, jobs
}

// history inserts a day's work into the record.
func (s *system) history(database string) {
	s.t.Helper()
	conn, err := pgx.Connect(s.t.Context(), database)
	require.NoError(s.t, err)
	defer conn.Close(s.t.Context())
	_, err = conn.Exec(s.t.Context(), `INSERT INTO executions (id, status, spec, attempt, log_day,
			created_at, scheduled_at, started_at, completed_at, worker_id)
		SELECT ('00000000' || substr(gen_random_uuid()::text, 9))::uuid,
			CASE WHEN random() < 0.06 THEN 'FAILED' WHEN random() < 0.02 THEN 'TIMED_OUT' WHEN random() < 0.03 THEN 'CANCELLED' ELSE 'COMPLETED' END,
			'{"command": "make", "environment": {}, "priority": 5, "requirements": {}}', 1, current_date, ended - interval '3 s', ended - interval '2.9 s', ended - interval '2.9 s', ended, (SELECT id FROM workers LIMIT 1)
		FROM generate_series(1, 58) minute, generate_series(1, (14 + 9 * sin(minute / 7.0) + 6 * random())::int) n,
			LATERAL (SELECT now() - make_interval(mins => minute, secs => n) AS ended) at`)
	require.NoError(s.t, err)
}

// busy makes jobs run and wait. It returns one execution with a log, one that
// waits and one that has failed and is retried.
func (s *system) busy(jobs map[string]string) (log, waits, failed string) {
	s.t.Helper()
	run := func(job, script string) string {
		_, x := call(s.t, "POST", s.orchestrator+"/jobs/"+jobs[job]+"/execute", `{"command":`+quote(script)+`}`)
		return x["execution_id"].(string)
	}
	for _, job := range []string{"test", "test", "dump", "lint", "unit tests", "unit tests", "unit tests", "render", "prune"} {
		run(job, "sleep 600")
	}
	waits = run("deploy", "./deploy --to production")
	run("train", "sleep 600")
	run("train", "./train --epochs 20")
	failed = run("smoke", smoke)
	s.ended(failed)
	_, again := call(s.t, "POST", s.orchestrator+"/executions/"+failed+"/retry", "")
	failed = again["id"].(string)
	s.ended(failed)
	id := run("build", `i=0; while :; do i=$((i+1))
case $((i % 9)) in
0) printf "\033[33mwarning\033[0m\033[1m: unused variable: total\033[0m\n" >&2;;
4) printf "test cart::tests::adds_item_%d ... \033[32mok\033[0m\n" $i;;
5) printf "test cart::tests::empties_%d ... \033[31mFAILED\033[0m\n" $i;;
7) printf "  fetching crate 10%%\r  fetching crate 60%%\r  fetching crate 100%%\n";;
*) printf "\033[1;32m   Compiling\033[0m shop-module-%d v0.%d.0 (/srv/shop/crates/%d)\n" $i $((i % 7)) $i;;
esac; [ $i -lt 400 ] || sleep 0.5; done`)
	eventually(s.t, "the log grows", time.Minute, func() bool {
		_, e := call(s.t, "GET", s.orchestrator+"/executions/"+id, "")
		return e["log_count"].(float64) > 300
	})
	return id, waits, failed
}

// smoke is a script that fails with useful output.
const smoke = `printf "\033[1mGET\033[0m /cart ... \033[32m200\033[0m in 12 ms\n\033[1mGET\033[0m /checkout ... \033[31m502\033[0m in 3004 ms\n"
echo "curl: (22) The requested URL returned error: 502" >&2
echo "1 of 2 checks failed" >&2; exit 22`
