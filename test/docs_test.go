package test

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// natsCommand returns the directory of the nats command line. `make setup`
// builds it, because tests do not use the network.
func natsCommand(t testing.TB) string {
	t.Helper()
	dir, err := filepath.Abs("../bin")
	require.NoError(t, err)
	require.FileExists(t, filepath.Join(dir, "nats"), "run `make setup` first")
	return dir
}

// block is a fenced block of a page: commands or their output.
type block struct{ kind, text string }

var fence = regexp.MustCompile("(?ms)^```(sh|text)\n(.*?)^```$")

func blocks(t testing.TB, page string) (found []block) {
	t.Helper()
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	for _, m := range fence.FindAllStringSubmatch(string(text), -1) {
		found = append(found, block{m[1], m[2]})
	}
	return found
}

// TestDocs runs the commands of each page in order, in one shell, and compares
// their standard output with the page.
func TestDocs(t *testing.T) {
	t.Parallel()
	bin := natsCommand(t)
	for _, page := range []string{"../docs/quickstart.md", "../docs/concepts.md", "../docs/rest.md", "../docs/nats.md", "../docs/operating.md", "../docs/hooks.md", "../docs/notifications.md",
		"../docs/pipelines.md"} {
		t.Run(filepath.Base(page), func(t *testing.T) {
			t.Parallel()
			s := up(t)
			base, err := url.Parse(s.orchestrator)
			require.NoError(t, err)
			mark := "--8<--"
			var script strings.Builder
			script.WriteString("set -e\nhodei() { " + binary + ` "$@"; }` + "\n")
			all := blocks(t, page)
			for _, b := range all {
				if b.kind == "sh" {
					script.WriteString(strings.ReplaceAll(b.text, "127.0.0.1:8080", base.Host))
					fmt.Fprintf(&script, "echo '%s'\n", mark)
				}
			}
			cmd := exec.Command("bash", "-c", script.String())
			cmd.Dir = ".."
			cmd.Env = append(os.Environ(), "HODEI_SERVER="+s.orchestrator, "NATS_URL="+s.nats, "PATH="+bin+":"+os.Getenv("PATH"),
				"GORACE=atexit_sleep_ms=0", "HOME="+t.TempDir())
			out, err := cmd.Output()
			var stderr []byte
			if exit, ok := err.(*exec.ExitError); ok {
				stderr = exit.Stderr
			}
			require.NoError(t, err, "%s\n%s", out, stderr)
			printed := strings.Split(string(out), mark+"\n")
			n := -1
			for _, b := range all {
				if b.kind == "sh" {
					n++
					continue
				}
				require.Regexp(t, pattern(b.text), printed[n])
			}
		})
	}
}

// pattern matches the output that a page shows: … matches anything, a line with
// only … any number of lines, and whitespace any whitespace.
func pattern(shown string) *regexp.Regexp {
	var b strings.Builder
	b.WriteString(`\A`)
	for line := range strings.Lines(strings.TrimRight(shown, "\n") + "\n") {
		line = strings.TrimRight(line, "\n")
		if line == "…" {
			b.WriteString(`(?:.*\n)*?`)
			continue
		}
		quoted := regexp.QuoteMeta(line)
		quoted = strings.ReplaceAll(quoted, "…", `.*`)
		b.WriteString(regexp.MustCompile(`[ \t]+`).ReplaceAllString(quoted, `[ \t]+`) + `[ \t]*(?:\n|\z)`)
	}
	b.WriteString(`\s*\z`)
	return regexp.MustCompile(b.String())
}

// TestReadme runs the README's commands, as far as they are for one machine, on
// a running system.
func TestReadme(t *testing.T) {
	t.Parallel()
	bin := natsCommand(t)
	s := up(t)
	base, err := url.Parse(s.orchestrator)
	require.NoError(t, err)
	var script strings.Builder
	script.WriteString("set -e\nhodei() { " + binary + ` "$@"; }` + "\n")
	for _, b := range blocks(t, "../README.md") {
		if strings.Contains(b.text, "make up") || strings.Contains(b.text, "nats://host:4222") {
			continue
		}
		text := strings.ReplaceAll(b.text, "127.0.0.1:8080", base.Host)
		text = strings.ReplaceAll(text, "go build -a -v ./schemas", "go list ./schemas")                              // compiling all of Go takes 20 s of processor
		text = strings.ReplaceAll(text, "nats sub 'execution.log.>'", "timeout 1 nats sub 'execution.log.>' || true") // it would never end
		script.WriteString(text)
	}
	cmd := exec.Command("bash", "-c", script.String())
	cmd.Dir = ".."
	cmd.Env = append(os.Environ(), "HODEI_SERVER="+s.orchestrator, "NATS_URL="+s.nats, "PATH="+bin+":"+os.Getenv("PATH"), "GORACE=atexit_sleep_ms=0")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	for _, want := range []string{"hello\n", "github.com/hodei-jobs/hodei/schemas\n", "COMPLETED", `"line":"line 3"`, "event: done", "from nats"} {
		require.Contains(t, string(out), want)
	}
}
