package main

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"
)

// TestMain makes this binary hodei itself when a test runs `hodei`.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"hodei": main})
}

// TestAgainstTheSystem runs the scripts and tests against one `hodei up`.
func TestAgainstTheSystem(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a whole system and a process for each command")
	}
	// With the race detector every process would wait for a second before it
	// exits.
	t.Setenv("GORACE", "atexit_sleep_ms=0")
	server, nats := startSystem(t)
	t.Run("scripts", func(t *testing.T) {
		testscript.Run(t, testscript.Params{
			Dir:                 "testdata/script",
			RequireExplicitExec: true,
			Setup: func(env *testscript.Env) error {
				env.Setenv("HODEI_SERVER", server)
				env.Setenv("NATS", nats)
				env.Setenv("GORACE", os.Getenv("GORACE"))
				return nil
			},
			Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "save": save},
		})
	})
	t.Run("completion", func(t *testing.T) { testCompletion(t, server) })
	t.Run("terminal", func(t *testing.T) { testTerminal(t, server) })
	t.Run("fleet", func(t *testing.T) { testFleet(t, server, nats) })
	t.Run("interrupted over HTTP", func(t *testing.T) { testInterrupted(t, "--server", server) })
	t.Run("interrupted over NATS", func(t *testing.T) { testInterrupted(t, "--nats", nats) })
}

// exits runs a command that must exit with the given status:
//
//	exits 3 hodei run nosuch
func exits(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if neg || got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

// save stores the output of the last command in a variable.
func save(ts *testscript.TestScript, _ bool, args []string) {
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile("stdout")))
}

// startSystem runs `hodei up` for this test and returns the URLs of its API and
// of its NATS.
func startSystem(t *testing.T) (server, nats string) {
	up := watch(t, "Ctrl-C stops everything", "up", "--ephemeral", "--port-base", "0", "--nats-port", "0")
	t.Cleanup(func() { require.Zero(t, up.end(t, syscall.SIGTERM)) })
	text := up.marked(t)
	url := func(what string) string {
		found := regexp.MustCompile(`(?m)^ *` + what + ` +(\S+)$`).FindStringSubmatch(text)
		require.Len(t, found, 2, "%s in %q", what, text)
		return found[1]
	}
	return url("orchestrator"), url("nats")
}

// watched is a hodei process whose standard error is read.
type watched struct {
	cmd  *exec.Cmd
	seen chan string // its output up to the line with the mark, or all of it
	rest string      // its output after that, once it has ended
	done chan struct{}
}

func watch(t *testing.T, mark string, args ...string) *watched {
	t.Helper()
	w := &watched{cmd: exec.Command("hodei", args...), seen: make(chan string, 1), done: make(chan struct{})}
	stderr, err := w.cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, w.cmd.Start())
	go func() {
		defer close(w.done)
		lines, text := bufio.NewReader(stderr), ""
		for {
			line, err := lines.ReadString('\n')
			text += line
			if err != nil || strings.Contains(line, mark) {
				break
			}
		}
		w.seen <- text
		rest, _ := io.ReadAll(lines) // cut short when the process is killed
		w.rest = string(rest)
		_ = w.cmd.Wait() // the error is in the process state
	}()
	return w
}

func (w *watched) marked(t *testing.T) string {
	t.Helper()
	select {
	case text := <-w.seen:
		return text
	case <-time.After(time.Minute):
		_ = w.cmd.Process.Kill()
		t.Fatalf("%v did not print the mark", w.cmd.Args)
		return ""
	}
}

// end sends the signal and returns the exit status.
func (w *watched) end(t *testing.T, signal os.Signal) int {
	t.Helper()
	require.NoError(t, w.cmd.Process.Signal(signal))
	select {
	case <-w.done:
	case <-time.After(time.Minute):
		_ = w.cmd.Process.Kill()
		t.Fatalf("%v did not end", w.cmd.Args)
	}
	return w.cmd.ProcessState.ExitCode()
}

// testInterrupted presses Ctrl-C while a command waits and while one runs. Both
// continue, and the output shows how to cancel them.
func testInterrupted(t *testing.T, flag, url string) {
	for mark, words := range map[string][]string{
		"waiting: no worker of type absent": {"--type", "absent", "--", "true"},
		"it runs":                           {"-c", "echo it runs >&2; sleep 600"},
	} {
		w := watch(t, mark, append([]string{"exec", flag, url}, words...)...)
		require.Contains(t, w.marked(t), mark)
		require.Equal(t, 130, w.end(t, os.Interrupt))
		hint := regexp.MustCompile(`(?m)^  hodei (execution cancel (exec_\S+) \S+ \S+)$`).FindStringSubmatch(w.rest)
		require.Len(t, hint, 3, w.rest)
		require.Equal(t, words[0] == "--type", strings.Contains(w.rest, "  hodei explain "+hint[2]), "why it waits, if it does: %s", w.rest)
		require.NotContains(t, w.rest, "\x1b", "standard error is not a terminal")

		hodei := func(args ...string) string {
			out, err := exec.Command("hodei", args...).CombinedOutput()
			require.NoError(t, err, string(out))
			return string(out)
		}
		require.Contains(t, hodei("execution", "show", hint[2], flag, url, "-o", "json"), `"completed_at":null`)
		require.Regexp(t, "(?i)cancelled", hodei(strings.Fields(hint[1])...))
		follow := exec.Command("hodei", "logs", "-f", hint[2], flag, url)
		require.NoError(t, follow.Run()) // returns when it has ended
		require.Contains(t, hodei("execution", "ls", "--status", "cancelled", flag, url), hint[2])
	}
}
