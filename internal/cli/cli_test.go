package cli

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
	"github.com/hodei-jobs/hodei/internal/cli/render"
)

// command runs a command line in this process, as run does.
func command(t *testing.T, args ...string) (out, errs string, code int) {
	t.Helper()
	t.Setenv("XDG_CONFIG_HOME", t.TempDir()) // not the contexts of the developer
	var stdout, stderr bytes.Buffer
	root := New(cmdline.Noun("worker", "", "")) // the role whose sub-commands are about all workers
	root.SetArgs(args)
	root.SetOut(&stdout)
	root.SetErr(&stderr)
	err := root.ExecuteContext(t.Context())
	var own cmdline.ExitStatus
	switch {
	case errors.As(err, &own):
		code = int(own)
	case err != nil:
		stderr.WriteString("hodei: " + render.OneLine(err))
		code = cmdline.ExitCode(err)
	}
	return stdout.String(), stderr.String(), code
}

// answering is the URL of a server that knows one answer.
func answering(t *testing.T, pattern string, status int, body string) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc(pattern, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, err := w.Write([]byte(body))
		require.NoError(t, err)
	})
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return srv.URL
}

func TestExitStatusOfErrors(t *testing.T) {
	for code, want := range map[hodei.Code]int{
		hodei.Invalid: 4, hodei.NotFound: 3, hodei.Conflict: 4, hodei.Rejected: 4, hodei.Unavailable: 5, hodei.Timeout: 5, hodei.Internal: 1,
	} {
		url := answering(t, "GET /api/v1/queue", code.Status(), `{"error":"`+string(code)+`","message":"so it is"}`)
		out, errs, got := command(t, "queue", "--server", url)
		require.Equal(t, want, got, code)
		require.Empty(t, out)
		require.Equal(t, "hodei: so it is", errs)
	}
}

func TestAnUnreachableServerNamesTheRemedy(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	srv.Close()
	_, errs, code := command(t, "queue", "--server", srv.URL)
	require.Equal(t, 5, code)
	require.Contains(t, errs, srv.URL+" is unreachable")
	require.Contains(t, errs, "`hodei up`")

	_, errs, code = command(t, "queue", "--nats", "nats://me:secret@"+strings.TrimPrefix(srv.URL, "http://"))
	require.Equal(t, 5, code)
	require.Contains(t, errs, "`hodei up`")
	require.NotContains(t, errs, "secret")
}

// TestASignInIsNamedOnce: the error for a missing token is for people who use the command line.
func TestASignInIsNamedOnce(t *testing.T) {
	url := answering(t, "/", 401, `{"error":"UNAUTHENTICATED","message":"A token is required: send Authorization (hodei login)"}`)
	_, errs, code := command(t, "queue", "--server", url)
	require.Equal(t, 4, code)
	require.Equal(t, "hodei: "+url+": a token is required; `hodei login` saves a token, HODEI_TOKEN and --token-file give one", errs)
}

func TestMistakesOfUsage(t *testing.T) {
	for line, want := range map[string]string{
		"pipeline mkae":                     "unknown command",
		"pipeline create":                   "usage: hodei pipeline create NAME",
		"pipeline ls --frob":                "unknown flag",
		"job create -- true":                "--pipeline is required",
		"job create --pipeline p true":      "goes after --",
		"job create -e A -- true":           "K=V required",
		"job ls --status undone":            "COMPLETED",
		"worker ls --status pending":        "AVAILABLE",
		"exec":                              "is required",
		"exec -c true -- true":              "exclude each other",
		"exec --timeout -1s -- true":        "a duration such as 90s, 5m, 1h or 7d is required",
		"exec --timeout 60 -- true":         "write 60s for seconds",
		"run":                               "JOB is missing",
		"runs shop --pipeline b":            "not both",
		"run build test":                    `unexpected argument "test"`,
		"logs":                              "usage: hodei logs ID",
		"logs x -n some":                    "--tail",
		"logs x --since yesterday":          "--since",
		"logs x --stream stdin":             "--stream",
		"queue -o xml":                      "table, json, yaml or name",
		"logs -o name x":                    "table or json",
		"status -o name":                    "table, json or yaml",
		"foo":                               `unknown command "foo" for "hodei"`,
		"queu":                              "did you mean queue?",
		"worker lss":                        "did you mean ls?",
		"pipeline rm":                       "usage: hodei pipeline rm",
		"version now":                       "usage: hodei version",
		"explain a b":                       "usage: hodei explain",
		"explain a --slots 2":               "brings its own requirements",
		"context add x":                     "one of --server",
		"context add x --server a --nats b": "one of --server",
		"context add a/b --server a":        "letters, digits",
		"queue --context a --nats b":        "exclude each other",
		"queue --server a --nats b":         "exclude each other",
		"execution cancel one two":          "usage: hodei execution cancel ID",
		"queue --limit many":                "invalid argument",
		"pipeline show":                     "usage: hodei pipeline show ID|NAME",
		"job show -o json --limit 3 it":     "unknown flag",
		"queue --server foo://x":            "is no URL of a server",
		"queue --server 127.0.0.1:9680":     "is no URL of a server",
		"validate .":                        "is a directory; name the file in it, such as hodei.yaml",
		"token create":                      `required flag(s) "name", "role"`,
		"approve":                           "usage: hodei approve",
	} {
		out, errs, code := command(t, strings.Fields(line)...)
		require.Equal(t, 2, code, "%s: %s", line, errs)
		require.Empty(t, out, line)
		require.Contains(t, errs, want, line)
	}
}

// TestMistakesNameWhatIsThere: a name that is not found, and targets that fail, are distinguished.
func TestMistakesNameWhatIsThere(t *testing.T) {
	const id = "01a20adc-0000-7000-8000-000000000001"
	missing := `{"error":"NOT_FOUND","message":"Pipeline not found","resource":"pipeline","resource_id":"shop"}`
	artifacts := `{"items":[{"name":"app"},{"name":"docs"},{"name":"app"}],"next_cursor":null}`
	notes := `{"items":[{"kind":"slack","target":"a"},{"kind":"webhook","target":"b"}],"kind":"slack","status":"FAILED","error":"answered 500"}`
	for line, c := range map[string]struct {
		status int
		body   string
		want   string
		code   int
	}{
		"runs shop":                             {404, missing, "Pipeline not found", 3},
		"artifact download run_" + id + " nope": {200, artifacts, `the run has no artifact "nope": it has app, docs`, 3},
		"approve run_" + id:                     {200, `{"number":7,"pipeline":"shop","jobs":[]}`, "no job of shop#7 waits for an approval", 4},
		"notify test pipe_" + id:                {200, notes, "slack a: answered 500; webhook b: answered 500", 1},
	} {
		_, errs, code := command(t, append(strings.Fields(line), "--server", answering(t, "/", c.status, c.body))...)
		require.Equal(t, c.code, code, line)
		require.Equal(t, "hodei: "+c.want, errs, line)
	}
}

// TestRunShowHasTheReasonsOfTheQueue: a job that waits for a worker has no reason of its own.
func TestRunShowHasTheReasonsOfTheQueue(t *testing.T) {
	const id = "01a20adc-0000-7000-8000-000000000001"
	run := `{"id":"run_` + id + `","status":"RUNNING","jobs":[{"key":"a","status":"PENDING","execution_id":"exec_` + id + `"}],
		"items":[{"execution_id":"exec_` + id + `","reason":"no worker of type gpu"}]}`
	out, errs, code := command(t, "run", "show", "run_"+id, "--server", answering(t, "/", 200, run))
	require.Zero(t, code, errs)
	require.Regexp(t, `a +PENDING .* no worker of type gpu +exec_`, out)
}

// TestRunShowHasTheApproval: an approved job has no reason, so the answer is shown.
func TestRunShowHasTheApproval(t *testing.T) {
	const id = "01a20adc-0000-7000-8000-000000000001"
	run := `{"id":"run_` + id + `","status":"COMPLETED","jobs":[{"key":"a","status":"COMPLETED",
		"approval":{"message":"","approved":true,"by":"operator","comment":"seen on staging"}}]}`
	out, errs, code := command(t, "run", "show", "run_"+id, "--server", answering(t, "/", 200, run))
	require.Zero(t, code, errs)
	require.Regexp(t, `a +COMPLETED .* approved by operator: seen on staging `, out)
}

// TestRunOfAnUnknownName: a name that neither a pipeline nor a job has is not found, whatever the flags.
func TestRunOfAnUnknownName(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := `{"items":[],"next_cursor":null}`
		if r.URL.Path == "/api/v1/pipelines/nope" {
			w.WriteHeader(http.StatusNotFound)
			body = `{"error":"NOT_FOUND","message":"Pipeline not found"}`
		}
		_, err := w.Write([]byte(body))
		require.NoError(t, err)
	}))
	t.Cleanup(srv.Close)
	_, errs, code := command(t, "run", "nope", "--param", "a=b", "--server", srv.URL)
	require.Equal(t, 3, code)
	require.Equal(t, `hodei: no pipeline or job "nope" found`, errs)
}

// TestANameThatIsTakenIsNoted: commands cannot distinguish two pipelines of one name.
func TestANameThatIsTakenIsNoted(t *testing.T) {
	const id = "01a20adc-0000-7000-8000-000000000001"
	url := answering(t, "/", 200, `{"id":"pipe_`+id+`","items":[{"name":"demo"}],"next_cursor":null}`)
	for name, want := range map[string]string{"demo": "there is another pipeline \"demo\", so commands need the id of this one\n", "other": ""} {
		out, errs, code := command(t, "pipeline", "create", name, "--server", url)
		require.Zero(t, code, errs)
		require.Equal(t, "pipe_"+id+"\n", out)
		require.Equal(t, want, errs)
	}
}

// TestTablesHaveTheNamesOfCommands: what a table shows identifies the record, and in a pipe nothing is cut.
func TestTablesHaveTheNamesOfCommands(t *testing.T) {
	const id = "01a20adc-0000-7000-8000-000000000001"
	long := strings.Repeat("refused ", 10) + "end"
	for line, c := range map[string]struct{ body, want string }{
		"job ls":                    {`{"slug":"shop","items":[{"key":"build","pipeline_id":"pipe_` + id + `"}]}`, `shop/build`},
		"worker keys":               {`{"items":[{"name":"cellar"}]}`, `cellar`},
		"worker revoke cellar":      {`{"items":[{"name":"cellar","worker_id":"worker_` + id + `"}],"worker_id":"worker_` + id + `","revoked_at":"2026-01-02T11:55:00Z"}`, `is revoked`},
		"notify ls":                 {`{"items":[{"error":"` + long + `"}]}`, long},
		"notify show note_" + id:    {`{"error":"` + long + `"}`, long},
		"execution ls --run shop#1": {`{"items":[]}`, "no executions"},
	} {
		out, errs, code := command(t, append(strings.Fields(line), "--server", answering(t, "/", 200, c.body))...)
		require.Zero(t, code, errs)
		require.Contains(t, out+errs, c.want, line)
	}
}

// TestInitNamesTheServer: an editor reads the schema from the server that is used.
func TestInitNamesTheServer(t *testing.T) {
	t.Setenv("HODEI_SERVER", "https://hodei.example.com/")
	file := filepath.Join(t.TempDir(), "hodei.yaml")
	_, errs, code := command(t, "init", "--slug", "shop", file)
	require.Zero(t, code, errs)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Contains(t, string(text), "$schema=https://hodei.example.com/hodei.schema.json\n")
}
