//go:build linux

package test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// printed prints a token in six ways, and a key of several lines in reverse.
const printed = `echo "plain $TOKEN"
printf 'split %s' "${TOKEN%%/*}"; sleep 0.02; printf '/%s\n' "${TOKEN#*/}"
printf 'user:%s' "$TOKEN" | base64
echo "https://u:$(printf %s "$TOKEN" | sed 's,/,%2F,g')@example.com"
echo "{\"token\":\"$(printf %s "$TOKEN" | sed 's,/,\\/,g')\"}"
tac "$KEY"
echo "error $TOKEN" >&2
echo ::add-mask::runtime-$HODEI_ATTEMPT
echo "added runtime-$HODEI_ATTEMPT"
echo printed
`

// TestASecretIsFoundNowhere uses a token and a key in jobs that print them, kills the
// worker and everything in the middle, and then looks for them in all files, in a dump of
// Postgres, and in the answers of the API.
func TestASecretIsFoundNowhere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data, state := filepath.Join(dir, "data"), filepath.Join(dir, "worker")
	begin := func() *system { return up(t, "--data-dir", data, "--workers", "0", "--log-level", "debug") }
	s := begin()
	worker := func() *process {
		return start(t, "worker", "--nats", s.nats, "--state-dir", state, "--log-level", "debug")
	}
	w := worker()

	token, line := "tok/"+uuid.NewString(), strings.ReplaceAll(uuid.NewString(), "-", "")
	set := func(name, value string) {
		body, _ := json.Marshal(object{"value": value})
		status, made := call(t, "PUT", s.orchestrator+"/secrets/"+name, string(body))
		require.Equal(t, 200, status, made)
	}
	set("TOKEN", token)
	set("KEY", "-----BEGIN-----\n"+line+"\n"+line[16:]+line[:16]+"\n-----END-----\n")
	definition := func(script string) string {
		body, _ := json.Marshal(object{"command": script, "secrets": []any{"TOKEN", object{"name": "KEY", "as_file": true}},
			"retries": object{"max": 3, "backoff_seconds": 0.1, "on": []string{"WORKER_LOST"}}})
		return string(body)
	}
	run := func(job string) string {
		status, e := call(t, "POST", s.orchestrator+"/jobs/"+job+"/execute", `{"wait_seconds":30}`)
		require.Contains(t, []int{200, 202}, status, e)
		return e["execution_id"].(string)
	}
	log := func(id string) string {
		_, raw, _ := request(t, "GET", s.orchestrator+"/executions/"+id+"/logs", "", map[string][]string{"Accept": {"text/plain"}})
		return string(raw)
	}

	once := run(s.job(definition(printed)))
	e := s.ended(once)
	require.Equal(t, "COMPLETED", e["status"])
	require.Equal(t, object{"TOKEN": 1.0, "KEY": 1.0}, e["secret_versions"])
	text := log(once)
	for _, shown := range []string{"plain ***", "split ***", "https://u:***@example.com", `{"token":"***"}`, "error ***", "added ***", "printed"} {
		require.Contains(t, text, shown+"\n")
	}
	require.GreaterOrEqual(t, strings.Count(text, "***"), 10)

	// Killed while they run: first the worker, then everything else.
	endless := s.job(definition(printed + "sleep 600"))
	prints := func(id string) func() bool {
		return func() bool { return strings.Contains(log(id), "printed") }
	}
	first := run(endless)
	eventually(t, "the command has printed", time.Minute, prints(first))
	w.kill()
	w = worker()
	second := run(endless)
	eventually(t, "the command has printed", time.Minute, prints(second))
	s.signal(syscall.SIGKILL)
	<-s.done
	s = begin()
	w.kill() // its NATS has another port now
	w = worker()
	third := run(endless)
	eventually(t, "the command has printed", time.Minute, prints(third))

	needles := []string{token, token[4:], line, line[16:] + line[:16], "runtime-1"}
	for _, path := range []string{"/executions?limit=1000", "/jobs", "/secrets", "/events?follow=false", "/executions/" + once, "/workers"} {
		_, raw, _ := request(t, "GET", s.orchestrator+path, "", nil)
		for _, needle := range needles {
			if needle != "runtime-1" {
				require.NotContains(t, string(raw), needle, path)
			}
		}
	}
	for _, id := range []string{once, first, second, third} {
		for _, needle := range needles {
			require.NotContains(t, log(id), needle)
		}
	}
	dump := s.dump(t, data)
	require.Contains(t, dump, "TOKEN", "the dump has rows")
	w.kill()
	eventually(t, "the reaper has removed the file", time.Minute, func() bool { return len(leaks(t, state, line)) == 0 })
	s.signal(syscall.SIGTERM)
	<-s.done
	for _, needle := range needles[:4] {
		require.NotContains(t, dump, needle)
		require.Empty(t, leaks(t, dir, needle))
		require.NotContains(t, s.output()+w.output(), needle)
	}
}

// dump is all of Postgres as text.
func (s *system) dump(t *testing.T, data string) string {
	t.Helper()
	opts, err := os.ReadFile(filepath.Join(data, "postgres", "data", "postmaster.opts"))
	require.NoError(t, err)
	program, _, _ := strings.Cut(string(opts), " ")
	socket, err := os.Open(filepath.Join(data, "postgres", "socket")) // its user may have no access to the directory
	require.NoError(t, err)
	defer socket.Close()
	cmd := exec.Command(filepath.Join(filepath.Dir(program), "pg_dump"), "--inserts", "--dbname", "host=/proc/self/fd/3 user=hodei dbname=postgres")
	cmd.ExtraFiles = []*os.File{socket}
	if os.Geteuid() == 0 {
		info, err := os.Stat(filepath.Join(data, "postgres", "data"))
		require.NoError(t, err)
		owner := info.Sys().(*syscall.Stat_t)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: owner.Uid, Gid: owner.Gid}}
		cmd.Dir = "/"
	}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out[:min(len(out), 2000)])
	return string(out)
}
