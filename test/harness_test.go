package test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
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
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei/internal/local"
	"github.com/hodei-jobs/hodei/internal/local/localtest"
	"github.com/hodei-jobs/hodei/postgres"
)

// binary is the hodei under test, as users build it, and built the directory of everything
// built for the tests.
var binary, built string

var chaosBinary = flag.String("chaos.binary", "", "the hodei to test, instead of one built from this tree")

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if flag.Parse(); testing.Short() {
		fmt.Println("skipped: every test here starts processes, which takes longer than -short allows")
		return 0
	}
	dir, err := os.MkdirTemp("", "hodei-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	built = dir
	if binary = *chaosBinary; binary == "" {
		if binary, err = build("hodei", "CGO_ENABLED=0"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	defer closeBrowser()
	return m.Run()
}

// build returns the path of a new hodei.
func build(name, cgo string, flags ...string) (path string, err error) {
	path = filepath.Join(built, name)
	cmd := exec.Command("go", append(append([]string{"build", "-trimpath", "-ldflags=-s -w", "-tags", "noexprlang,no_antithesis_sdk"}, flags...), "-o", path, "../cmd/hodei")...)
	cmd.Env = append(os.Environ(), cgo)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build hodei: %w\n%s", err, out)
	}
	return path, nil
}

var buildRaced = sync.OnceValues(func() (string, error) { return build("hodei-race", "CGO_ENABLED=1", "-race") })

var buildNATS = sync.OnceValues(func() (string, error) {
	path := filepath.Join(built, "nats-server")
	out, err := exec.Command("go", "build", "-o", path, "github.com/nats-io/nats-server/v2").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build nats-server: %w\n%s", err, out)
	}
	return path, nil
})

// natsProgram returns a nats-server of the version in go.mod.
func natsProgram(t testing.TB) string {
	t.Helper()
	path, err := buildNATS()
	require.NoError(t, err)
	return path
}

// hardened returns the hodei under test for the tests that try to break it: one with the race
// detector if the tests have it, which makes it several times slower.
func hardened(t testing.TB) string {
	t.Helper()
	if !withRace || *chaosBinary != "" {
		return binary
	}
	path, err := buildRaced()
	require.NoError(t, err)
	return path
}

// process is a running hodei.
type process struct {
	t      testing.TB
	cmd    *exec.Cmd
	mu     sync.Mutex
	stderr bytes.Buffer
	line   chan string // the line that begins with "ready"
	done   chan struct{}
	err    error
}

// start runs hodei and returns when it is ready.
func start(t testing.TB, args ...string) *process {
	t.Helper()
	return startBinary(t, binary, args...)
}

// startBinary is start for another hodei.
func startBinary(t testing.TB, binary string, args ...string) *process {
	t.Helper()
	p := launchCommand(t, exec.Command(binary, args...))
	p.ready()
	return p
}

// ready waits until the process is ready.
func (p *process) ready() {
	p.t.Helper()
	args := strings.Join(p.cmd.Args[1:], " ")
	select {
	case <-p.line:
	case <-p.done:
		p.t.Fatalf("hodei %s ended before it was ready: %v\n%s", args, p.err, p.output())
	case <-time.After(60 * time.Second):
		p.t.Fatalf("hodei %s is not ready after a minute\n%s", args, p.output())
	}
}

// launch runs hodei without waiting. It is stopped at the end of the test.
func launch(t testing.TB, args ...string) *process {
	t.Helper()
	return launchCommand(t, exec.Command(binary, args...))
}

// launchCommand is launch for a command with its own environment.
func launchCommand(t testing.TB, cmd *exec.Cmd) *process {
	t.Helper()
	args := cmd.Args[1:]
	p := &process{t: t, cmd: cmd, line: make(chan string, 1), done: make(chan struct{})}
	p.cmd.Env = append(append(os.Environ(), "GORACE=atexit_sleep_ms=0", // the race detector sleeps a second otherwise
		"XDG_CONFIG_HOME="+built), cmd.Env...) // hodei up --auth writes a context, and must not replace the user's
	stderr, err := p.cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())
	go p.read(stderr)
	t.Cleanup(func() {
		p.signal(syscall.SIGTERM)
		select {
		case <-p.done:
		case <-time.After(30 * time.Second):
			p.signal(syscall.SIGKILL)
			<-p.done
			t.Errorf("hodei %s did not stop:\n%s", strings.Join(args, " "), p.output())
		}
		require.NotContains(t, p.output(), "DATA RACE")
		if t.Failed() {
			t.Logf("output of hodei %s:\n%s", strings.Join(args, " "), p.output())
		}
	})
	return p
}

func (p *process) read(stderr io.Reader) {
	lines := bufio.NewReader(stderr)
	for {
		line, err := lines.ReadString('\n')
		p.mu.Lock()
		p.stderr.WriteString(line)
		p.mu.Unlock()
		if strings.HasPrefix(line, "ready") {
			// The addresses follow in the same write.
			rest := make([]byte, lines.Buffered())
			n, _ := io.ReadFull(lines, rest)
			p.mu.Lock()
			p.stderr.Write(rest[:n])
			p.mu.Unlock()
			p.line <- line
		}
		if err != nil {
			break
		}
	}
	p.err = p.cmd.Wait()
	close(p.done)
}

func (p *process) signal(s syscall.Signal) { _ = p.cmd.Process.Signal(s) }

// kill ends the process like a crash.
func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	<-p.done
}

// wait returns the exit status.
func (p *process) wait() int {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(60 * time.Second):
		p.t.Fatalf("hodei does not end:\n%s", p.output())
	}
	var exit *exec.ExitError
	if errors.As(p.err, &exit) {
		return exit.ExitCode()
	}
	require.NoError(p.t, p.err)
	return 0
}

func (p *process) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stderr.String()
}

// find returns the first group of the pattern in the output of the process.
func (p *process) find(pattern string) string {
	p.t.Helper()
	m := regexp.MustCompile(pattern).FindStringSubmatch(p.output())
	require.NotNil(p.t, m, "%s in:\n%s", pattern, p.output())
	return m[1]
}

// system is a running Hodei seen from outside.
type system struct {
	*process
	t                                      testing.TB
	orchestrator, scheduler, workerManager string
	nats                                   string
	database                               string // "" for a Postgres of its own
}

// natsServer starts a NATS server of its own and returns its URL.
func natsServer(t *testing.T) string {
	t.Helper()
	server, err := local.StartNATS(local.NATSConfig{StoreDir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(server.Shutdown)
	return server.URL()
}

// roles returns the URL of a NATS server, and a function that starts a role on it as a
// process of its own.
func roles(t *testing.T) (natsURL string, role func(name string, args ...string) *process) {
	t.Helper()
	natsURL = natsServer(t)
	return natsURL, func(name string, args ...string) *process {
		return start(t, append([]string{name, "--nats", natsURL}, args...)...)
	}
}

// up starts `hodei up` on free ports: with a Postgres of its own where the arguments name a data
// directory, otherwise with a database that takes a tenth of the time.
func up(t testing.TB, args ...string) *system {
	t.Helper()
	return upBinary(t, binary, args...)
}

// upBinary is up for another hodei.
func upBinary(t testing.TB, binary string, args ...string) *system {
	t.Helper()
	args = append([]string{"up", "--port-base", "0", "--nats-port", "0"}, args...)
	database := ""
	switch given := strings.Join(args, " "); {
	case strings.Contains(given, "--data-dir"), strings.Contains(given, "--ephemeral"):
	case strings.Contains(given, "--database-url"):
		args = append(args, "--ephemeral")
	default:
		database = localtest.Migrated(t, postgres.Migrate)
		args = append(args, "--ephemeral", "--database-url", database)
	}
	p := startBinary(t, binary, args...)
	return &system{
		process: p, t: t, database: database,
		orchestrator:  p.find(`orchestrator +(https?://\S+)`),
		scheduler:     p.find(`scheduler +(https?://\S+)`),
		workerManager: p.find(`worker manager +(https?://\S+)`),
		nats:          p.find(`nats +((?:nats|tls)://\S+)`),
	}
}

// object is a decoded JSON object.
type object = map[string]any

// call makes a request and returns the status and the decoded body.
func call(t testing.TB, method, url, body string) (int, object) {
	t.Helper()
	status, raw, _ := request(t, method, url, body, nil)
	var out object
	if len(raw) > 0 {
		require.NoError(t, json.Unmarshal(raw, &out), "%s %s: %s", method, url, raw)
	}
	return status, out
}

func request(t testing.TB, method, url, body string, header http.Header) (int, []byte, http.Header) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	require.NoError(t, err)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for name, values := range header {
		req.Header[name] = values
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, raw, resp.Header
}

// ask makes a NATS request like `nats req` and returns the reply.
func ask(t testing.TB, nc *nats.Conn, subject, body string) (*nats.Msg, object) {
	t.Helper()
	reply, err := nc.Request(subject, []byte(body), 30*time.Second)
	require.NoError(t, err)
	var out object
	require.NoError(t, json.Unmarshal(reply.Data, &out), "%s: %s", subject, reply.Data)
	return reply, out
}

func connect(t testing.TB, url string) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(url)
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	return nc
}

// job creates a pipeline with one job and returns the job's id.
func (s *system) job(body string) string {
	s.t.Helper()
	status, p := call(s.t, "POST", s.orchestrator+"/api/v1/pipelines", `{"name":"test"}`)
	require.Equal(s.t, 201, status, p)
	body = strings.Replace(body, "{", fmt.Sprintf(`{"pipeline_id":%q,`, p["id"]), 1)
	status, j := call(s.t, "POST", s.orchestrator+"/api/v1/jobs", strings.Replace(body, ",}", "}", 1))
	require.Equal(s.t, 201, status, j)
	return j["id"].(string)
}

// execute executes a shell script ad hoc and returns the execution's id.
func (s *system) execute(script string) string {
	s.t.Helper()
	body, _ := json.Marshal(object{"command": script})
	status, e := call(s.t, "POST", s.workerManager+"/api/v1/execute", string(body))
	require.Equal(s.t, 201, status, e)
	return e["id"].(string)
}

// ended follows the log to its end and returns the record.
func (s *system) ended(id string) object {
	s.t.Helper()
	for range s.follow(id, "tail=0&follow=true") {
	}
	status, e := call(s.t, "GET", s.orchestrator+"/api/v1/executions/"+id, "")
	require.Equal(s.t, 200, status)
	return e
}

// event is one frame of a stream.
type event struct {
	kind, id string
	data     object
}

// follow reads a log stream frame by frame until it ends.
func (s *system) follow(id, query string) func(func(event) bool) {
	return s.stream(s.workerManager+"/api/v1/executions/"+id+"/logs/stream?"+query, "")
}

func (s *system) stream(url, lastID string) func(func(event) bool) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	require.NoError(s.t, err)
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(s.t, err)
	require.Equal(s.t, 200, resp.StatusCode)
	require.Equal(s.t, "text/event-stream", strings.Split(resp.Header.Get("Content-Type"), ";")[0])
	return func(yield func(event) bool) {
		defer cancel()
		defer resp.Body.Close()
		frames := bufio.NewScanner(resp.Body)
		frames.Buffer(nil, 1<<20)
		e := event{}
		for frames.Scan() {
			name, value, _ := strings.Cut(frames.Text(), ": ")
			switch name {
			case "id":
				e.id = value
			case "event":
				e.kind = value
			case "data":
				require.NoError(s.t, json.Unmarshal([]byte(value), &e.data), value)
			case "":
				if frames.Text() == "" && e.data != nil {
					if !yield(e) {
						return
					}
					e = event{}
				}
			}
		}
	}
}

// lines returns the texts of a log that has ended, and its end event.
func (s *system) lines(id, query string) (lines []string, end event) {
	s.t.Helper()
	for e := range s.follow(id, query) {
		if e.kind == "done" {
			end = e
			break
		}
		lines = append(lines, e.data["line"].(string))
	}
	require.Equal(s.t, "done", end.kind, "the stream must end with done")
	return lines, end
}

// eventually waits for a condition outside this process.
func eventually(t testing.TB, what string, within time.Duration, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for !ok() {
		select {
		case <-deadline.C:
			t.Fatalf("%s: not within %s", what, within)
		case <-look.C:
		}
	}
}

func decode(t testing.TB, raw []byte) object {
	t.Helper()
	var out object
	require.NoError(t, json.Unmarshal(raw, &out), string(raw))
	return out
}
