package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestGeneratedClient generates a client from openapi.json with an external
// generator, builds it, and runs the main flow with it. An external validator
// checks every request and reply against the document. testdata/openapiclient,
// a separate module, pins both.
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
		cmd.Env = append(os.Environ(), "GOFLAGS=-mod=readonly -trimpath", "GOWORK=off", "CGO_ENABLED=0") // as what `make` compiles, so once
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s %v:\n%s", name, args, out)
		return string(out)
	}
	run("go", "tool", "oapi-codegen", "-generate", "types,client", "-package", "api", "-o", "api/client.go", document)
	run("go", "build", "-o", "flow", ".")
	s := up(t)
	printed := run(filepath.Join(dir, "flow"), s.orchestrator, document)
	require.Contains(t, printed, `"stream":"stdout","line":"from a generated client","sequence":1}`)
	require.Contains(t, printed, `"status":"COMPLETED","exit_code":0,"log_count":1}`)
	require.Contains(t, printed, "COMPLETED 0\nNOT_FOUND job true\n")
}
