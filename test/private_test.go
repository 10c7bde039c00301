//go:build linux

package test

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei/internal/local/localtest"
)

// look is what a curious command does. Its output is one "name value" a line.
// The script splits the secret in two, because it also searches its own
// argument list.
const look = `
cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\0' '\n' > $TMPDIR/seen
echo roles $(grep -a -c '^\(up\|worker\|reaper\|worker-manager\)$' $TMPDIR/seen)
echo secrets $(grep -a %s $TMPDIR/seen)
echo parent $(tr '\0' '\n' 2>&1 < /proc/$PPID/environ)
echo umask $(umask)
echo home $HOME $(stat -c %%a $HOME)
echo tmp $TMPDIR $(stat -c %%a $TMPDIR)
for f in /proc/$$/fd/*; do [ -e $f ] && echo fd ${f##*/}; done
env > $HOME/env; echo incarnation $(grep -c INCARNATION $HOME/env)
`

// TestCommandsSeeNoSecret passes passwords to every role by flag, variable and
// file, and runs commands that search the machine for them, as the user of the
// worker: root if the test runs as root, and another user.
func TestCommandsSeeNoSecret(t *testing.T) {
	t.Parallel()
	secret := uuid.NewString()
	natsURL := strings.Replace(natsServer(t), "nats://", "nats://app:"+secret+"@", 1) // the server requires no password
	database, err := url.Parse(localtest.Database(t))
	require.NoError(t, err)
	query := database.Query()
	query.Set("application_name", secret)
	database.RawQuery = query.Encode()
	shared, err := os.MkdirTemp("", "hodei-test-") // other users have no access to t.TempDir
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(shared)) })
	require.NoError(t, os.Chmod(shared, 0o755))
	file := filepath.Join(t.TempDir(), "database-url")
	require.NoError(t, os.WriteFile(file, []byte(database.String()+"\n"), 0o600))

	run := func(env []string, as *syscall.Credential, args ...string) *process {
		cmd := exec.Command(binary, args...)
		cmd.Env = append(env, "AWS_SECRET_ACCESS_KEY="+secret)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as}
		inherited, other, err := os.Pipe()
		require.NoError(t, err)
		t.Cleanup(func() { inherited.Close(); other.Close() })
		cmd.ExtraFiles = []*os.File{inherited, inherited}
		if as != nil {
			cmd.Path = filepath.Join(shared, "hodei")
		}
		p := launchCommand(t, cmd)
		p.ready()
		return p
	}
	everything := run([]string{"HODEI_DATABASE_URL=" + database.String()}, nil,
		"up", "--ephemeral", "--port-base", "0", "--nats", natsURL, "--worker-type", "up")
	run([]string{"HODEI_NATS=" + natsURL}, nil, "worker-manager", "--database-url-file", file,
		"--smtp-server", "smtps://mail.example.com", "--smtp-from", "hodei@example.com", "--smtp-user", "hodei", "--smtp-password", secret)
	run([]string{"HODEI_NATS=" + natsURL}, nil, "worker", "--type", "own", "--state-dir", t.TempDir())
	types := []string{"up", "own"}
	if os.Geteuid() == 0 {
		const nobody = 65534
		copied, err := os.ReadFile(binary)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(shared, "hodei"), copied, 0o755))
		state := filepath.Join(shared, "state")
		require.NoError(t, os.Mkdir(state, 0o700))
		require.NoError(t, os.Chown(state, nobody, nobody))
		run(nil, &syscall.Credential{Uid: nobody, Gid: nobody}, "worker", "--type", "nobody", "--state-dir", state, "--nats="+natsURL)
		types = append(types, "nobody")
	}
	s := &system{
		process: everything, t: t,
		orchestrator: everything.find(`orchestrator +(http://\S+)`), workerManager: everything.find(`worker manager +(http://\S+)`),
	}
	for _, kind := range types {
		t.Run(kind, func(t *testing.T) {
			seen := s.look(t, kind, fmt.Sprintf(look, secret[:8]+"''"+secret[8:]))
			require.NotContains(t, seen["roles"], "0", "the command did see the roles")
			require.Equal(t, []string{""}, seen["secrets"])
			for _, text := range seen["parent"] {
				require.NotContains(t, text, "=", "of the worker's environment")
			}
			require.Equal(t, []string{"0077"}, seen["umask"])
			require.Equal(t, []string{"0", "1", "2"}, seen["fd"])
			require.Equal(t, []string{"0"}, seen["incarnation"])
			for _, name := range []string{"home", "tmp"} {
				dir, mode, _ := strings.Cut(seen[name][0], " ")
				require.Equal(t, "700", mode)
				require.NotEqual(t, os.Getenv("HOME"), dir)
				require.NotEqual(t, os.TempDir(), dir)
				eventually(t, dir+" is gone", time.Minute, func() bool { _, err := os.Stat(dir); return os.IsNotExist(err) })
			}
		})
	}
}

// look runs the script on a worker of the type and returns its output by name.
func (s *system) look(t *testing.T, kind, script string) map[string][]string {
	body := fmt.Sprintf(`{"command": %q, "type": %q}`, script, kind)
	status, e := call(t, "POST", s.workerManager+"/api/v1/execute", body)
	require.Equal(t, 201, status, e)
	lines, _ := s.lines(e["id"].(string), "follow=true")
	seen := map[string][]string{}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, " ")
		seen[name] = append(seen[name], value)
	}
	return seen
}
