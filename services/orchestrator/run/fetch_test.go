package run

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestFetchNamesTheRef: a short ref, and none, get their full name, a commit and a pinned run do not.
func TestFetchNamesTheRef(t *testing.T) {
	repo := t.TempDir()
	git := func(args ...string) string {
		cmd := exec.Command("git", args...)
		cmd.Dir = repo
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		return strings.TrimSpace(string(out))
	}
	git("init", "-q", "-b", "trunk")
	git("-c", "user.name=ana", "-c", "user.email=ana@example.com", "commit", "-q", "--allow-empty", "-m", "one")
	git("branch", "feature/a")
	git("tag", "v1.0")
	git("config", "uploadpack.allowAnySHA1InWant", "true")
	commit := git("rev-parse", "HEAD")
	for want, env := range map[string][]string{
		"refs/heads/trunk":     {"HODEI_REF="},
		"refs/heads/feature/a": {"HODEI_REF=feature/a"},
		"refs/tags/v1.0":       {"HODEI_REF=v1.0"},
		"":                     {"HODEI_REF=" + commit},
		" ":                    {"HODEI_REF=trunk", "HODEI_COMMIT=" + commit},
	} {
		for _, depth := range []string{"0", "1"} {
			cmd := exec.Command("sh", "-c", fetch)
			cmd.Dir = t.TempDir()
			output := filepath.Join(t.TempDir(), "output")
			cmd.Env = append(append(os.Environ(), "SOURCE_GIT=file://"+repo, "SOURCE_DEPTH="+depth, "SOURCE_SUBMODULES=false",
				"HODEI_OUTPUT="+output, "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null"), env...)
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, "%s", out)
			got, err := os.ReadFile(output)
			require.NoError(t, err)
			expected := "commit=" + commit + "\n"
			if ref := strings.TrimSpace(want); ref != "" {
				expected += "ref=" + ref + "\n"
			}
			require.Equal(t, expected, string(got), "%v, depth %s", env, depth)
		}
	}
}

// TestFetchWithLFS: the filter of Git LFS receives the credential of the server. Without the
// filter the log warns. The filter of the test writes the password that git gives it.
func TestFetchWithLFS(t *testing.T) {
	repo := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(repo, ".gitattributes"), []byte("big filter=lfs\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(repo, "big"), []byte("pointer"), 0o600))
	for _, args := range [][]string{{"init", "-q"}, {"add", "-A"}, {"-c", "user.name=ana", "-c", "user.email=ana@example.com", "commit", "-q", "-m", "big"}} {
		cmd := exec.Command("git", args...)
		cmd.Dir = repo
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	const filter = `printf 'protocol=https\nhost=git.example.com\n\n' | git credential fill | sed -n s/password=//p`
	for want, config := range map[string][]string{
		"t0ken\n": {"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=filter.lfs.smudge", "GIT_CONFIG_VALUE_0=" + filter},
		"pointer": nil,
	} {
		cmd := exec.Command("sh", "-c", fetch)
		cmd.Dir = t.TempDir()
		cmd.Env = append(append(os.Environ(), "SOURCE_GIT="+repo, "SOURCE_DEPTH=1", "SOURCE_SUBMODULES=false", "SOURCE_TOKEN=t0ken",
			"SOURCE_ORIGIN=https://git.example.com", "HODEI_OUTPUT="+filepath.Join(t.TempDir(), "output"), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null"), config...)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		got, err := os.ReadFile(filepath.Join(cmd.Dir, "big"))
		require.NoError(t, err)
		require.Equal(t, want, string(got))
		if config == nil {
			require.Contains(t, string(out), "only pointers")
		} else {
			require.NotContains(t, string(out), "warning")
		}
	}
}
