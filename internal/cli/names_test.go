package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// rest ends the ids of these tests, but for a digit.
const rest = "-0000-7000-8000-00000000000"

// serving is the URL of a server with answers by path. An answer that is a number is an error with this status.
// It counts the requests.
func serving(t *testing.T, answers map[string]string) (url string, requests map[string]int) {
	t.Helper()
	requests = map[string]int{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := strings.TrimPrefix(r.URL.Path, "/api/v1")
		requests[path]++
		switch answer, ok := answers[path]; {
		case !ok:
			t.Errorf("unexpected request: %s", r.URL)
		case answer == "403":
			w.WriteHeader(403)
			fmt.Fprint(w, `{"error":"FORBIDDEN","message":"not yours"}`)
		case answer == "404":
			w.WriteHeader(404)
			fmt.Fprint(w, `{"error":"NOT_FOUND","message":"gone"}`)
		default:
			fmt.Fprint(w, answer)
		}
	}))
	t.Cleanup(srv.Close)
	return srv.URL, requests
}

// ofRun and ofJob are executions: of a job in a run of a pipeline, and of a job outside a run.
func ofRun(n, pipeline int) string {
	return fmt.Sprintf(`{"id":"exec_01a20ad%d%[2]s1","run_id":"run_01a20ad%[1]d%[2]s2","run_number":4%[1]d,"job_key":"test","pipeline_id":%[3]s,
		"job_id":null,"status":"PENDING","command":"make"}`, n, rest, id("pipe", pipeline))
}

func ofJob(n, job int) string {
	return fmt.Sprintf(`{"id":"exec_01a20ad%d%s1","job_id":%s,"pipeline_id":%s,"status":"PENDING","command":"make"}`, n, rest, id("job", job), id("pipe", 9))
}

func id(prefix string, n int) string { return fmt.Sprintf(`"%s_01a20adc%s%d"`, prefix, rest, n) }

func items(all ...string) string {
	return `{"items":[` + strings.Join(all, ",") + `],"next_cursor":null}`
}

// names returns the column of a table with the header NAME.
func names(t *testing.T, table string) (found []string) {
	t.Helper()
	header, rows, _ := strings.Cut(table, "\n")
	at := strings.Index(header, "NAME")
	require.GreaterOrEqual(t, at, 0, table)
	for row := range strings.Lines(rows) {
		found = append(found, strings.Fields(row[at:])[0])
	}
	return found
}

func TestExecutionsHaveNames(t *testing.T) {
	adHoc := `{"id":"exec_01a20adc-0000-7000-8000-000000000009","job_id":null,"pipeline_id":null,"status":"FAILED","command":"true"}`
	url, requests := serving(t, map[string]string{
		"/executions": items(ofRun(1, 1), ofRun(2, 1), ofRun(3, 2), ofRun(4, 3), ofJob(5, 1), ofJob(6, 2), ofJob(7, 3), adHoc),
		"/pipelines":  items(`{"id":` + id("pipe", 2) + `,"name":"Nightly","slug":null}`),
		"/pipelines/" + strings.Trim(id("pipe", 1), `"`): `{"id":` + id("pipe", 1) + `,"name":"Release","slug":"release"}`,
		"/pipelines/" + strings.Trim(id("pipe", 3), `"`): "404",
		"/jobs": items(`{"id":` + id("job", 2) + `,"name":null,"key":"lint"}`),
		"/jobs/" + strings.Trim(id("job", 1), `"`): `{"id":` + id("job", 1) + `,"name":"build"}`,
		"/jobs/" + strings.Trim(id("job", 3), `"`): "403",
	})
	out, errs, code := command(t, "execution", "ls", "--server", url)
	require.Zero(t, code, errs)
	run := "run_01a20ad%d" + rest + "2/test"
	require.Equal(t, []string{
		"release#41/test", "release#42/test", fmt.Sprintf(run, 3), fmt.Sprintf(run, 4), "build", "lint", strings.Trim(id("job", 3), `"`), "-",
	}, names(t, out))
	for path, n := range requests {
		require.Equal(t, 1, n, path)
	}
	out, _, code = command(t, "execution", "ls", "-o", "json", "--server", url)
	require.Zero(t, code)
	require.True(t, json.Valid([]byte(out)))
	require.Equal(t, 1, requests["/pipelines"], "a program gets the reply and nothing is asked for names")
}

func TestQueueHasNames(t *testing.T) {
	entry := `{"position":1,"execution_id":"exec_01a20ad%d` + rest + `1","job_id":%s,"reason":"busy"}`
	url, requests := serving(t, map[string]string{
		"/queue":                                         `{"total":4,"items":[` + fmt.Sprintf(entry, 1, "null") + "," + fmt.Sprintf(entry, 2, id("job", 1)) + "," + fmt.Sprintf(entry, 3, id("job", 1)) + "," + fmt.Sprintf(entry, 4, "null") + `]}`,
		"/executions":                                    items(ofJob(2, 1)),
		"/executions/exec_01a20ad1" + rest + "1":         ofRun(1, 1),
		"/executions/exec_01a20ad3" + rest + "1":         "404",
		"/executions/exec_01a20ad4" + rest + "1":         "404",
		"/pipelines/" + strings.Trim(id("pipe", 1), `"`): `{"id":` + id("pipe", 1) + `,"name":"Release","slug":"release"}`,
		"/jobs/" + strings.Trim(id("job", 1), `"`):       `{"id":` + id("job", 1) + `,"name":"build"}`,
	})
	out, errs, code := command(t, "queue", "--server", url)
	require.Zero(t, code, errs)
	require.Equal(t, []string{"release#41/test", "build", "build", "-"}, names(t, out))
	require.Equal(t, 1, requests["/executions"])
}

// Schedules, secrets and tokens show the names of their pipelines and jobs.
func TestListsNamePipelines(t *testing.T) {
	of := strings.Trim(id("pipe", 1), `"`)
	url, _ := serving(t, map[string]string{
		"/schedules": items(`{"id":`+id("sched", 1)+`,"pipeline_id":`+id("pipe", 1)+`,"pipeline":null,"job_id":`+id("job", 1)+`,"cron":"@daily"}`,
			`{"id":`+id("sched", 2)+`,"pipeline_id":`+id("pipe", 1)+`,"pipeline":null,"job_id":null,"cron":"@daily"}`),
		"/secrets":         items(`{"name":"KEY","pipeline_id":` + id("pipe", 1) + `}`),
		"/tokens":          items(`{"id":` + id("token", 1) + `,"name":"ci","role":"viewer","pipelines":[` + id("pipe", 1) + `]}`),
		"/hooks":           items(`{"id":` + id("hook", 1) + `,"pipeline_id":` + id("pipe", 1) + `,"pipeline":null,"kind":"github","secret":"S"}`),
		"/pipelines/" + of: `{"id":` + id("pipe", 1) + `,"name":"Nightly build","slug":null}`,
		"/jobs/" + strings.Trim(id("job", 1), `"`): `{"id":` + id("job", 1) + `,"name":"backup"}`,
	})
	for _, noun := range []string{"schedule", "secret", "token", "hook"} {
		out, errs, code := command(t, noun, "ls", "--server", url)
		require.Zero(t, code, errs)
		require.Contains(t, out, "Nightly build", noun)
		require.NotContains(t, out, "pipe_", noun)
		require.NotContains(t, out, "job_", noun)
	}
	out, _, _ := command(t, "schedule", "ls", "--server", url)
	require.Contains(t, out, "backup")
}

// What a table shows of an id on a terminal is accepted, also where only a run or a pipeline has the list.
func TestShownPartsOfIDsAreAccepted(t *testing.T) {
	artifact, cache := strings.Trim(id("artifact", 7), `"`), strings.Trim(id("cache", 7), `"`)
	url, requests := serving(t, map[string]string{
		"/runs/release#42/artifacts": items(`{"id":"`+artifact+`","name":"app"}`, `{"id":`+id("artifact", 8)+`,"name":"docs"}`),
		"/artifacts/" + artifact:     "",
		"/pipelines/release":         `{"id":` + id("pipe", 1) + `,"name":"Release","slug":"release"}`,
		"/pipelines/" + strings.Trim(id("pipe", 1), `"`) + "/caches": items(`{"id":"` + cache + `","key":"go-1"}`),
		"/caches/" + cache: "",
		"/jobs":            items(),
		"/executions":      items(ofJob(1, 1)),
		"/schedule":        `{"candidates":[]}`,
		"/workers":         items(),
	})
	for _, line := range []string{
		"artifact rm --run release#42 00000007", "artifact rm --run release#42 app", "cache rm --pipeline release 00000007", "cache rm --pipeline release go-1",
		"explain 00000001",
	} {
		_, errs, code := command(t, append(strings.Fields(line), "--server", url)...)
		require.Zero(t, code, "%s: %s", line, errs)
	}
	require.Equal(t, 2, requests["/artifacts/"+artifact])
	require.Equal(t, 2, requests["/caches/"+cache])
	for line, flag := range map[string]string{"artifact rm 00000007": "--run", "cache rm 00000007": "--pipeline"} {
		_, errs, code := command(t, append(strings.Fields(line), "--server", url)...)
		require.Equal(t, 2, code)
		require.Contains(t, errs, flag)
	}
	_, errs, code := command(t, "explain", "deadbeef", "--server", url)
	require.Equal(t, 3, code)
	require.Equal(t, `hodei: no job "deadbeef" found, and execution "deadbeef" not found`, errs)
}
