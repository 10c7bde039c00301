//go:build linux

package test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io/fs"
	random "math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/stretchr/testify/require"
)

// The secret of a chaos run: jobs print it, and no file may contain it afterwards.
const (
	chaosSecret = "CHAOS_SECRET"
	leakOf      = "chaos-secret/5e7d19f0c2a84b36"
)

// printsSecret prints the secret of its job, in two writes and in base64 too, and reads it
// from a file.
var printsSecret = script{kind: "prints a secret", weight: 8, secret: true, body: func(*random.Rand) (string, []string) {
	return `echo "is $CHAOS_SECRET"; alone printf 'is %s' "${CHAOS_SECRET%/*}"; alone sleep 0.02; echo "/${CHAOS_SECRET#*/}"
printf %s "$CHAOS_SECRET" | alone base64 | alone cut -c1-38; alone cat "$CHAOS_FILE"; echo; alone sleep 0.2`,
		[]string{"is ***", "is ***", "***", "***"}
}}

// secretsKey makes the key file of the worker managers.
func (w *arena) secretsKey() string {
	path := filepath.Join(w.dir, "secrets.key")
	if _, err := os.Stat(path); err == nil {
		return path
	}
	key := make([]byte, 32)
	rand.Read(key)
	require.NoError(w.t, os.WriteFile(path, []byte(base64.StdEncoding.EncodeToString(key)+"\n"), 0o600))
	return path
}

// setSecret sets the secret before the faults begin.
func (w *arena) setSecret() {
	status, made := call(w.t, "PUT", w.edges[0]+"/secrets/"+chaosSecret, fmt.Sprintf(`{"value":%q}`, leakOf))
	require.Equal(w.t, 200, status, made)
}

// judgeSecret: no file has the secret, in any of the forms in which it could have got
// there. Compressed logs are compared with what the commands print.
func (w *arena) judgeSecret() {
	for _, path := range leaks(w.t, w.dir, leakOf) {
		w.flaw("", "%s contains the secret", path)
	}
}

type failer interface {
	require.TestingT
	Helper()
}

// leaks returns the files below a directory that contain the value, as it is or in the
// usual encodings.
func leaks(t failer, dir, value string) (paths []string) {
	t.Helper()
	forms := [][]byte{[]byte(value), []byte(strings.ReplaceAll(value, "/", "%2F")), []byte(strings.ReplaceAll(value, "/", `\/`))}
	for before, shared := range []int{0, 2, 3} {
		text := base64.StdEncoding.EncodeToString(append(make([]byte, before), value...))
		forms = append(forms, []byte(text[shared:(before+len(value))*8/6]))
	}
	require.NoError(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return nil // it was removed meanwhile
		}
		text, _ := os.ReadFile(path)
		if slices.ContainsFunc(forms, func(form []byte) bool { return bytes.Contains(text, form) }) {
			paths = append(paths, path)
		}
		return nil
	}))
	return paths
}
