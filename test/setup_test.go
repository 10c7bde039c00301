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
)

// TestSetup starts the programs of an installation by the commands that `hodei setup` has
// written, with two instances of the access service, and lets a worker join and a person
// connect. One instance may stop at any time; with none, connected clients go on.
func TestSetup(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "hodei")
	hodeiCommand := func(args ...string) string {
		out, err := exec.CommandContext(t.Context(), binary, args...).Output()
		require.NoError(t, err, args)
		return strings.TrimSpace(string(out))
	}
	hodeiCommand("setup", dir)
	conf, err := os.ReadFile(filepath.Join(dir, "accounts.conf"))
	require.NoError(t, err)
	hodeiCommand("setup", dir)
	again, err := os.ReadFile(filepath.Join(dir, "accounts.conf"))
	require.NoError(t, err)
	require.Equal(t, string(conf), string(again), "the keys stay")
	for _, name := range []string{"orchestrator.nk", "callout.keys", "secrets.key"} {
		info, err := os.Stat(filepath.Join(dir, "keys", name))
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	}
	natsURL := natsFrom(t, filepath.Join(dir, "nats.conf"))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "database-url"), []byte(localtest.Database(t)+"\n"), 0o600))
	programs, commands := map[string]*process{}, map[string][]string{}
	for _, name := range []string{"access", "worker-manager", "orchestrator", "scheduler", "artifacts", "edge"} {
		unit, err := os.ReadFile(filepath.Join(dir, "systemd", "hodei-"+name+".service"))
		require.NoError(t, err)
		command := regexp.MustCompile(`(?m)^ExecStart=/usr/bin/env hodei (.*)$`).FindStringSubmatch(string(unit))
		args := strings.Fields(strings.Replace(command[1], "nats://127.0.0.1:4222", natsURL, 1))
		for i, arg := range args {
			if arg == "/var/lib/hodei/artifacts" {
				args[i] = t.TempDir()
			}
		}
		if name == "edge" {
			args = append(args, "--port-base", "0")
		}
		programs[name], commands[name] = start(t, args...), args
	}
	admin := hodeiCommand("token", "bootstrap", "--database-url-file", filepath.Join(dir, "database-url"))
	addrs := strings.Fields(programs["edge"].find(`ready edge (.*)`))
	s := guarded{&system{process: programs["edge"], t: t, orchestrator: addrs[0], scheduler: addrs[1], workerManager: addrs[2], nats: natsURL}, admin}

	_, join := s.joinToken("")
	path := filepath.Join(t.TempDir(), "join-token")
	require.NoError(t, os.WriteFile(path, []byte(join), 0o600))
	start(t, "worker", "--nats", s.nats, "--join-file", path, "--state-dir", t.TempDir())
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

// natsFrom starts nats-server with the configuration, on another port, and returns its URL.
func natsFrom(t *testing.T, conf string) string {
	t.Helper()
	url := fmt.Sprintf("nats://127.0.0.1:%d", freePort(t))
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
	return url
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
