package worker

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/seal"
	"github.com/hodei-jobs/hodei/schemas"
)

// sealed adds secrets to a request, encrypted to the key that the worker reports.
func (f *fleet) sealed(req schemas.ExecutionRequest, values map[string]string, refs ...hodei.SecretRef) schemas.ExecutionRequest {
	f.t.Helper()
	pair, err := seal.NewPair()
	require.NoError(f.t, err)
	to := f.availability("with a key", func(a hodei.Availability) bool { return a.SealKey != "" }).SealKey
	data, err := pair.Seal(to, req.ExecutionID, values)
	require.NoError(f.t, err)
	req.Secrets, req.Sealed = refs, &schemas.SealedSecrets{From: pair.Public(), Data: data}
	return req
}

// contents returns everything that is in the files below a directory.
func contents(t *testing.T, dir string) string {
	var all strings.Builder
	require.NoError(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			text, _ := os.ReadFile(path) // it may be removed meanwhile
			all.Write(text)
		}
		return nil
	}))
	return all.String()
}

func TestSecretsReachTheCommand(t *testing.T) {
	t.Parallel()
	f := start(t)
	const token, key = "tok3n of 'quotes'", "line one\nline two\n"
	req := f.request(`echo "$TOKEN"; cat $KEY; echo $KEY; stat -c %a $KEY; [ "$TOKEN" = "tok3n of '""quotes'" ] && echo same; pwd >&2`)
	req.After = `echo "after $TOKEN"`
	id := f.run(f.sealed(req, map[string]string{"T": token, "KEY": key},
		hodei.SecretRef{Name: "T", As: "TOKEN"}, hodei.SecretRef{Name: "KEY", AsFile: true}))
	end, lines := f.end(id)
	require.Equal(t, hodei.Completed, end.Status, lines)
	out := texts(lines, hodei.Stdout)
	require.Equal(t, []string{"***", "***", "***"}, out[:3])
	require.Equal(t, []string{"600", "same", "after ***"}, out[4:])
	require.NoFileExists(t, out[3])
	require.NotContains(t, contents(t, f.cfg.StateDir), "quotes")
}

func TestExecutionsWithoutTheirSecretsDoNotStart(t *testing.T) {
	t.Parallel()
	f := start(t)
	ref := hodei.SecretRef{Name: "A"}
	missing := f.request("touch " + filepath.Join(t.TempDir(), "begun"))
	missing.Secrets, missing.NoSecrets = []hodei.SecretRef{ref}, "there is no secret A"
	unsealed := f.request("true")
	unsealed.Secrets = []hodei.SecretRef{ref}
	incomplete := f.sealed(f.request("true"), map[string]string{"B": "another value"}, ref)
	other := f.sealed(f.request("true"), map[string]string{"A": "a value"}, ref)
	other.ExecutionID = f.request("true").ExecutionID
	broken := f.sealed(f.request("true"), map[string]string{"A": "a value"}, ref)
	broken.Sealed.Data[40] ^= 1
	for name, test := range map[string]struct {
		req schemas.ExecutionRequest
		why string
	}{
		"missing": {missing, "there is no secret A"}, "unsealed": {unsealed, "sent no secrets"}, "incomplete": {incomplete, "there is no secret A"},
		"for another": {other, "not for this execution"}, "broken": {broken, "not for this process"},
	} {
		end, lines := f.outcome(test.req)
		require.Equal(t, hodei.Failed, end.Status, name)
		require.Equal(t, hodei.ReasonSecretMissing, *end.Reason, name)
		require.Contains(t, lines[0].Line, test.why, name)
	}
}

// An output is recorded, and every viewer can read it.
func TestOutputsContainNoSecrets(t *testing.T) {
	t.Parallel()
	f := start(t)
	ref := hodei.SecretRef{Name: "A"}
	for script, why := range map[string]string{
		`echo "x=$A" > $HODEI_OUTPUT`:                            "the output x contains a secret, and is not recorded",
		`echo "x=$(echo y$A | base64)" > $HODEI_OUTPUT`:          "the output x contains a secret, and is not recorded",
		`echo "$A" > $HODEI_OUTPUT`:                              `not "***"`,
		`echo ::add-mask::v4lues; echo x=v4lues > $HODEI_OUTPUT`: "the output x contains a secret",
	} {
		end, lines := f.outcome(f.sealed(f.request(script), map[string]string{"A": "secret-value"}, ref))
		require.Equal(t, hodei.ReasonInvalidOutput, *end.Reason, script)
		require.Empty(t, end.Outputs)
		require.Contains(t, lines[0].Line, why, script)
	}
}

// The reaper removes the files of a killed worker.
func TestAKilledWorkerLeavesNoSecrets(t *testing.T) {
	t.Parallel()
	f, process := startProcess(t)
	begun := filepath.Join(t.TempDir(), "begun")
	f.run(f.sealed(f.request(`cat $A; cp $A `+begun+`; sleep 600`), map[string]string{"A": "secret-value"}, hodei.SecretRef{Name: "A", AsFile: true}))
	require.Eventually(t, func() bool { text, _ := os.ReadFile(begun); return string(text) == "secret-value" }, time.Minute, 5*time.Millisecond)
	require.NoError(t, process.Kill())
	require.Eventually(t, func() bool { return !strings.Contains(contents(t, f.cfg.StateDir), "secret-value") }, time.Minute, 10*time.Millisecond)
}
