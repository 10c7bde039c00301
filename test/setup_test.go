//go:build linux

package test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/client"
	"github.com/hodei-jobs/hodei/internal/local/localtest"
	"github.com/hodei-jobs/hodei/internal/seal"
)

// TestSetup runs the commands of docs/secured.md, with a second instance of the access service.
// One instance may stop at any time; with none, connected clients go on.
func TestSetup(t *testing.T) {
	t.Parallel()
	n := newInstallation(t)
	page := blocks(t, "../docs/secured.md")
	next := func(begins string) string {
		t.Helper()
		text := page[0].text
		require.True(t, strings.HasPrefix(text, begins), "%s instead of %s", text, begins)
		page = page[1:]
		return n.here(text)
	}
	n.shell(next("hodei setup"))
	conf, err := os.ReadFile(n.path("accounts.conf"))
	require.NoError(t, err)
	n.shell("hodei setup " + n.path())
	again, err := os.ReadFile(n.path("accounts.conf"))
	require.NoError(t, err)
	require.Equal(t, string(conf), string(again), "the keys stay")
	for _, name := range []string{"orchestrator.nk", "callout.keys", "secrets.key"} {
		info, err := os.Stat(n.path("keys", name))
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	}
	n.shell(next("cp"))
	programs, commands := n.start(n.shell(next("systemctl")))
	n.shell(next("hodei token bootstrap"))
	worker := exec.Command(binary, strings.Fields(next("hodei worker"))[1:]...)
	worker.Dir = n.home
	launchCommand(t, worker).ready()
	printed := n.shell(next("hodei exec"))
	require.Contains(t, printed, "hello\n")
	require.Regexp(t, `bootstrap.*execute.*OK`, printed)
	require.Empty(t, page)

	addrs := strings.Fields(programs["edge"].find(`ready edge (.*)`))
	admin, err := os.ReadFile(filepath.Join(n.home, "admin-token"))
	require.NoError(t, err)
	s := guarded{&system{process: programs["edge"], t: t, orchestrator: addrs[0], scheduler: addrs[1], workerManager: addrs[2], nats: n.nats},
		strings.TrimSpace(string(admin))}
	_, developer := s.token(hodei.Developer, "")
	nc := s.connect(developer)
	require.Equal(t, "COMPLETED", s.endedAs(s.executeAs(developer, "true"))["status"])

	second := start(t, commands["access"]...)
	s.connectDuring(developer, programs["access"].stop)
	second.kill()
	_, err = nats.Connect(s.nats, append(tokenOptions(t, developer), nats.Timeout(time.Minute))...)
	require.Error(t, err, "no instance decides")
	answer, err := nc.Request("hodei.v1.execute", []byte(`{"command":"true"}`), 60e9)
	require.NoError(t, err)
	require.Empty(t, answer.Header.Get("Nats-Service-Error-Code"), "%s", answer.Data)
	id := regexp.MustCompile(`exec_[0-9a-f-]+`).FindString(string(answer.Data))
	require.NotEmpty(t, id)
	ended, err := nc.SubscribeSync("execution.event.*." + id)
	require.NoError(t, err)
	require.NoError(t, nc.Flush())
	eventually(t, "the worker goes on", 60e9, func() bool {
		answer, err := nc.Request("hodei.v1.executions.get", []byte(`{"id":"`+id+`"}`), 60e9)
		return err == nil && strings.Contains(string(answer.Data), `"COMPLETED"`)
	})
	require.NoError(t, ended.Unsubscribe())

	start(t, commands["access"]...)
	s.connect(developer).Close()
}

// installation is one on this machine: its places and addresses stand for those of the docs.
type installation struct {
	t          *testing.T
	home       string // of the user, and the working directory
	nats, edge string
	replace    *strings.Replacer
}

func newInstallation(t *testing.T) *installation {
	n := &installation{
		t: t, home: t.TempDir(), nats: fmt.Sprintf("nats://127.0.0.1:%d", freePort(t)), edge: fmt.Sprintf("127.0.0.1:%d", freePorts(t, 3)),
	}
	n.replace = strings.NewReplacer("/etc/hodei", n.path(), "/var/lib/hodei", filepath.Join(n.home, "state"), "nats://127.0.0.1:4222", n.nats, "127.0.0.1:8080", n.edge,
		"postgres://hodei@db.example.com/hodei?sslmode=verify-full&sslrootcert=/etc/hodei/db.pem&passfile=/etc/hodei/pgpass", localtest.Database(t))
	trial := filepath.Join(n.home, ".local", "share", "hodei")
	require.NoError(t, os.MkdirAll(trial, 0o700))
	_, err := seal.LoadOrMake(filepath.Join(trial, "secrets.key"))
	require.NoError(t, err)
	return n
}

func (n *installation) path(names ...string) string {
	return filepath.Join(append([]string{n.home, "etc"}, names...)...)
}

// here is a text for this machine.
func (n *installation) here(text string) string { return n.replace.Replace(text) }

// shell runs commands and returns what they print. The units that systemctl is to start are
// printed.
func (n *installation) shell(script string) string {
	n.t.Helper()
	cmd := exec.Command("bash", "-ec", "hodei() { "+binary+` "$@"; }; systemctl() { shift 2; printf '%s\n' "$@"; }`+"\n"+script)
	cmd.Dir, cmd.Env = n.home, append(os.Environ(), "HOME="+n.home, "XDG_CONFIG_HOME=", "GORACE=atexit_sleep_ms=0")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(n.t, err, "%s\n%s%s", script, out, &stderr)
	return string(out)
}

// start starts the programs of units, NATS and the access service first.
func (n *installation) start(units string) (programs map[string]*process, commands map[string][]string) {
	n.t.Helper()
	programs, commands = map[string]*process{}, map[string][]string{}
	for _, path := range strings.Fields(units) {
		unit, err := os.ReadFile(path)
		require.NoError(n.t, err)
		name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(path), "hodei-"), ".service")
		command := regexp.MustCompile(`(?m)^ExecStart=/usr/bin/env (.*)$`).FindStringSubmatch(n.here(string(unit)))[1]
		commands[name] = strings.Fields(command)[1:]
	}
	require.Equal(n.t, []string{"-c", n.path("nats.conf")}, commands["nats"])
	natsFrom(n.t, n.path("nats.conf"), n.nats)
	commands["edge"] = append(commands["edge"], "--port-base", portOf("http://"+n.edge))
	for _, name := range []string{"access", "worker-manager", "orchestrator", "scheduler", "artifacts", "edge"} {
		programs[name] = start(n.t, commands[name]...)
	}
	require.Len(n.t, commands, len(programs)+1)
	return programs, commands
}

// natsFrom starts nats-server with the configuration, on another port.
func natsFrom(t *testing.T, conf, url string) {
	t.Helper()
	cmd := exec.Command(natsProgram(t), "-c", conf, "-p", portOf(url))
	cmd.Dir = t.TempDir() // where nats.conf puts the store
	log := &bytes.Buffer{}
	cmd.Stdout, cmd.Stderr = log, log
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		require.NoError(t, cmd.Process.Kill())
		_ = cmd.Wait() // it was killed
		if t.Failed() {
			t.Logf("output of nats-server:\n%s", log)
		}
	})
	eventually(t, "nats-server answers", time.Minute, func() bool {
		conn, err := net.Dial("tcp", strings.TrimPrefix(url, "nats://"))
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}

// stop stops the process as an operator does, and waits for its end.
func (p *process) stop() {
	p.signal(syscall.SIGTERM)
	require.Zero(p.t, p.wait(), p.output())
}

// connectDuring connects to NATS again and again while act runs: each must be let in.
func (s guarded) connectDuring(text string, act func()) {
	s.t.Helper()
	opts, acted := tokenOptions(s.t, text), make(chan struct{})
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for {
				nc, err := nats.Connect(s.nats, append(opts, nats.Timeout(time.Minute))...)
				if !assert.NoError(s.t, err) {
					return
				}
				nc.Close()
				select {
				case <-acted:
					return
				default:
				}
			}
		})
	}
	act()
	close(acted)
	all.Wait()
}

func tokenOptions(t testing.TB, text string) []nats.Option {
	t.Helper()
	opts, err := client.TokenOptions(text)
	require.NoError(t, err)
	return opts
}
