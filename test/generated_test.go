package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestGeneratedClient has an outside generator make a client of openapi.json,
// builds it, and makes the main flow with it, every request and reply being
// held against the document by a validator that is not ours. Both are pinned
// in testdata/openapiclient, a module of its own.
func TestGeneratedClient(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS("testdata/openapiclient")))
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "api"), 0o755))
	document, err := filepath.Abs("../schemas/openapi.json")
	require.NoError(t, err)
	run := func(name string, args ...string) string {
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOFLAGS=-mod=readonly", "GOWORK=off")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s %v:\n%s", name, args, out)
		return string(out)
	}
	run("go", "tool", "oapi-codegen", "-generate", "types,client", "-package", "api", "-o", "api/client.go", document)
	run("go", "build", "-o", "flow", ".")
	s := up(t)
	said := run(filepath.Join(dir, "flow"), s.orchestrator, document)
	require.Contains(t, said, `"stream":"stdout","line":"from a generated client","sequence":1}`)
	require.Contains(t, said, `"status":"COMPLETED","exit_code":0,"log_count":1}`)
	require.Contains(t, said, "COMPLETED 0\nNOT_FOUND job true\n")
}
