package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// offers returns the completions of the command line's last word.
func offers(t *testing.T, args ...string) []string {
	t.Helper()
	out, err := exec.Command("hodei", append([]string{"__completeNoDesc"}, args...)...).Output()
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[:len(lines)-1] // the last line is a directive
}

// testCompletion presses Tab against a running system.
func testCompletion(t *testing.T, server string) {
	config := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", config)
	t.Setenv("HODEI_SERVER", server)
	hodei := func(args ...string) string {
		out, err := exec.Command("hodei", args...).Output()
		require.NoError(t, err, args)
		return strings.TrimSpace(string(out))
	}
	hodei("pipeline", "create", "tab-pipeline")
	job := hodei("job", "create", "--pipeline", "tab-pipeline", "--name", "tab-job", "--", "true")
	nameless := hodei("job", "create", "--pipeline", "tab-pipeline", "--", "true")
	waits := hodei("exec", "-d", "--type", "tab", "--", "true")
	hodei("context", "add", "tab-context", "--server", server)
	worker := hodei("worker", "ls", "-o", "name")

	require.Contains(t, offers(t, "run", ""), "tab-job")
	require.Contains(t, offers(t, "run", ""), nameless)
	require.NotContains(t, offers(t, "run", ""), job, "it has a name")
	require.Equal(t, []string{"tab-job"}, offers(t, "explain", "tab-"))
	require.Equal(t, []string{job}, offers(t, "run", job[:len(job)-1]))
	require.Empty(t, offers(t, "run", "tab-job", ""), "one job is enough")
	require.Equal(t, []string{"tab-pipeline"}, offers(t, "pipeline", "show", "tab-"))
	require.Equal(t, []string{"tab-pipeline"}, offers(t, "job", "create", "--pipeline", "tab-"))
	require.Contains(t, offers(t, "logs", "exec_"), waits)
	require.Contains(t, offers(t, "execution", "cancel", ""), waits)
	require.NotContains(t, offers(t, "execution", "retry", "exec_"), waits, "it has not ended")
	require.Equal(t, []string{worker}, offers(t, "worker", "drain", "worker_"))
	require.Equal(t, []string{"shell"}, offers(t, "exec", "--type", ""))
	require.Equal(t, []string{"tab-context"}, offers(t, "queue", "--context", ""))
	require.Equal(t, []string{"tab-context"}, offers(t, "context", "select", ""))
	require.Equal(t, []string{"table", "json", "yaml", "name"}, offers(t, "queue", "-o", ""))
	require.Equal(t, []string{"table", "json"}, offers(t, "logs", "-o", ""))
	require.Equal(t, []string{"PENDING"}, offers(t, "job", "ls", "--status", "P"))
	require.Equal(t, []string{"tab-pipeline", "tab-job"}, offers(t, "run", "--context", "tab-context", "tab-"))
	require.Empty(t, offers(t, "run", "--server", "http://127.0.0.1:1", ""), "no server, and no output")
	for shell, script := range shells {
		t.Run(shell, func(t *testing.T) {
			if _, err := exec.LookPath(shell); err != nil {
				t.Skipf("%s is not installed; the protocol that its script speaks is tested above", shell)
			}
			cmd := exec.Command(shell, "-c", script)
			cmd.Env = append(os.Environ(), "TERM=dumb")
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, string(out))
			require.Contains(t, string(out), "tab-job")
			require.NotContains(t, string(out), "tab-pipeline")
		})
	}
	hodei("execution", "cancel", waits)
}

// shells are the commands that complete `hodei explain tab-` without a terminal.
var shells = map[string]string{
	"bash": `for f in /usr/share/bash-completion/bash_completion /opt/homebrew/share/bash-completion/bash_completion; do
			[ -r $f ] && source $f; done
		type _get_comp_words_by_ref >/dev/null 2>&1 ||
			_get_comp_words_by_ref() { cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} words=("${COMP_WORDS[@]}") cword=$COMP_CWORD; }
		source <(hodei completion bash)
		COMP_WORDS=(hodei explain tab-) COMP_CWORD=2 COMP_LINE='hodei explain tab-' COMP_POINT=14 COMP_TYPE=9
		__start_hodei; printf '%s\n' "${COMPREPLY[@]}"`,
	"fish": `hodei completion fish | source; complete -C 'hodei explain tab-'`,
	"zsh": `autoload -U compinit; compinit -u -D; source <(hodei completion zsh)
		_describe() { print -l -- ${(P)${@[-1]}} ${(P)4}; }
		words=(hodei explain tab-) CURRENT=3; _hodei`,
}
