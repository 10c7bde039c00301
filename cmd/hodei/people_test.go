package main

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/client"
	"github.com/hodei-jobs/hodei/schemas"
)

// command runs a command line in this process, as run does.
func command(t *testing.T, args ...string) (out, errs string, code int) {
	t.Helper()
	t.Setenv("XDG_CONFIG_HOME", t.TempDir()) // not the contexts of whoever runs this
	var stdout, stderr bytes.Buffer
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(&stdout)
	root.SetErr(&stderr)
	err := root.ExecuteContext(t.Context())
	var own exitStatus
	switch {
	case errors.As(err, &own):
		code = int(own)
	case err != nil:
		stderr.WriteString("hodei: " + oneLine(err))
		code = exitCode(err)
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

func TestAnUnreachableServerSaysWhatToDo(t *testing.T) {
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
		"exec --timeout -1s -- true":        "negative",
		"run":                               "JOB is missing",
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
		"orchestrator now":                  "usage: hodei orchestrator",
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
	} {
		out, errs, code := command(t, strings.Fields(line)...)
		require.Equal(t, 2, code, "%s: %s", line, errs)
		require.Empty(t, out, line)
		require.Contains(t, errs, want, line)
	}
}

func TestServerOrNATS(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	const a, b = "http://a", "nats://b"
	for _, c := range []struct {
		args, env    string
		server, nats string // what is asked: NATS when nats is set
		flag         string
	}{
		{server: defaultServer},
		{args: "--server http://a", server: a, flag: " --server http://a"},
		{args: "--nats nats://b", server: defaultServer, nats: b, flag: " --nats nats://b"},
		{env: "HODEI_SERVER=http://a", server: a},
		{env: "HODEI_NATS=nats://b", server: defaultServer, nats: b},
		{env: "HODEI_SERVER=http://a HODEI_NATS=nats://b", server: a},
		{args: "--server http://a", env: "HODEI_NATS=nats://b", server: a, flag: " --server http://a"},
		{args: "--nats nats://b", env: "HODEI_SERVER=http://a", server: a, nats: b, flag: " --nats nats://b"},
		{args: "--nats nats://me:secret@b", server: defaultServer, nats: "nats://me:secret@b", flag: " --nats nats://me:xxxxx@b"},
	} {
		t.Run(c.args+" "+c.env, func(t *testing.T) {
			for _, pair := range strings.Fields(c.env) {
				name, value, _ := strings.Cut(pair, "=")
				t.Setenv(name, value)
			}
			p := &people{}
			cmd := p.newQueue()
			require.NoError(t, cmd.ParseFlags(strings.Fields(c.args)))
			require.NoError(t, p.settle(cmd))
			require.Equal(t, c.server, p.server)
			require.Equal(t, c.nats, p.nats)
			require.Equal(t, c.flag, p.flag)
		})
	}
}

// An environment variable's value is kept to the letter.
func TestPairs(t *testing.T) {
	var p pairs
	for _, text := range []string{"A=1,2", `B="q"`, "C=x=y", "D="} {
		require.NoError(t, p.Set(text))
	}
	require.Equal(t, pairs{"A": "1,2", "B": `"q"`, "C": "x=y", "D": ""}, p)
	require.Error(t, p.Set("=x"))
	require.Error(t, p.Set("x"))
}

func TestWorkload(t *testing.T) {
	run, err := (&workload{}).request(nil)
	require.NoError(t, err)
	require.Nil(t, run.Command)
	require.Nil(t, run.Requirements)
	require.Nil(t, run.TimeoutSeconds)

	// One word with spaces is the name of a program, not a script.
	run, err = (&workload{timeout: 90 * time.Second, slots: 2, labels: pairs{"zone": "a"}, kind: "rust"}).request([]string{"a b"})
	require.NoError(t, err)
	require.Equal(t, hodei.Command{Args: []string{"a b"}}, *run.Command)
	require.Equal(t, 90.0, *run.TimeoutSeconds)
	require.Equal(t, hodei.Requirements{Capacity: 2, Labels: map[string]string{"zone": "a"}}, *run.Requirements)
	require.Equal(t, "rust", *run.Type)

	run, err = (&workload{script: "a | b"}).request(nil)
	require.NoError(t, err)
	require.Equal(t, hodei.Command{Shell: "a | b"}, *run.Command)
}

func TestStatusOfWhatDidNotComplete(t *testing.T) {
	for want, e := range map[int]hodei.Execution{
		3:   {Status: hodei.Failed, ExitCode: new(3)},
		137: {Status: hodei.Failed, Signal: new("SIGKILL")},
		1:   {Status: hodei.Failed, Reason: new(hodei.ReasonWorkerLost)},
	} {
		require.Equal(t, want, statusOf(e))
	}
	require.Equal(t, 1, statusOf(hodei.Execution{Status: hodei.Cancelled, ExitCode: new(0)}), "cancelled is never success")
	require.Equal(t, 1, statusOf(hodei.Execution{Status: hodei.Failed, Signal: new("SIGWHAT")}))
}

// Every command explains itself.
func TestHelp(t *testing.T) {
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		require.NotEmpty(t, cmd.Short, cmd.CommandPath())
		require.Contains(t, cmd.Example, cmd.CommandPath(), cmd.CommandPath())
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	people := 0
	for _, cmd := range newRoot().Commands() {
		if described(cmd) {
			walk(cmd)
		}
		if cmd.GroupID == "people" {
			people++
		}
	}
	require.Equal(t, 13, people)
}

// Ctrl-C while a start is on its way does not lose what was started.
func TestInterruptedStart(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		interrupt()
		_, err := w.Write([]byte(`{"id":"exec_01a20adc-0000-7000-8000-000000000001","status":"PENDING"}`))
		require.NoError(t, err)
	}))
	t.Cleanup(srv.Close)
	s, _, errs := printing()
	s.Client, s.flag = client.HTTP(srv.URL), " --server x"
	_, started, err := start(ctx, s, schemas.Execute, schemas.ExecuteRequest{})
	require.NoError(t, err)
	require.Error(t, ctx.Err())
	require.Equal(t, exitStatus(130), (&following{session: s, id: started.ID}).attend(ctx))
	require.Contains(t, errs.String(), "  hodei execution cancel exec_01a20adc-0000-7000-8000-000000000001 --server x\n")
}

func TestMoment(t *testing.T) {
	var created schemas.Created
	after := moment{&created.CreatedAfter}
	require.Empty(t, after.String())
	require.NoError(t, after.Set("2026-01-02T03:04:05Z"))
	require.Equal(t, "2026-01-02T03:04:05Z", after.String())
	require.NoError(t, after.Set("7d"))
	require.WithinDuration(t, time.Now().Add(-7*day), *created.CreatedAfter, time.Minute)
	require.ErrorContains(t, after.Set("yesterday"), "a time as 2026-01-02T15:04:05Z or a duration")
	var states state[hodei.ExecutionStatus]
	states.of = hodei.ExecutionTransitions
	require.NoError(t, states.Set("failed,timed_out"))
	require.Equal(t, "FAILED,TIMED_OUT", states.String())
	require.ErrorContains(t, states.Set("failed,done"), "separated by commas")
}

func TestVersion(t *testing.T) {
	for _, args := range [][]string{{"version"}, {"--version"}} {
		root, out := newRoot(), &bytes.Buffer{}
		root.SetOut(out)
		root.SetArgs(args)
		require.NoError(t, root.Execute())
		require.Regexp(t, `^hodei [0-9]+\.[0-9]+\.[0-9]+\S*( \(commit .+\))?\n$`, out.String())
	}
	require.Empty(t, built(nil))
	require.Equal(t, " (commit 0123456789ab of 2026-01-02T03:04:05Z, modified)", built([]debug.BuildSetting{
		{Key: "vcs.revision", Value: "0123456789abcdef"}, {Key: "vcs.time", Value: "2026-01-02T03:04:05Z"}, {Key: "vcs.modified", Value: "true"},
	}))
}
