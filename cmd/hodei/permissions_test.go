package main

import (
	"bytes"
	"testing"

	"github.com/nats-io/nkeys"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
)

// TestNATSPermissions prints users with keys, and refuses what names none.
func TestNATSPermissions(t *testing.T) {
	key, err := nkeys.CreateUser()
	require.NoError(t, err)
	public, err := key.PublicKey()
	require.NoError(t, err)
	const id = "worker_01a2b3c4-d5e6-7f80-9182-a3b4c5d6e7f8"
	printed := func(args ...string) (string, error) {
		root, out := newRoot(), &bytes.Buffer{}
		root.SetOut(out)
		root.SetArgs(append([]string{"nats", "permissions"}, args...))
		err := root.ExecuteContext(t.Context())
		return out.String(), err
	}
	text, err := printed("--worker", id, "--nkey", id+"="+public)
	require.NoError(t, err)
	require.Contains(t, text, "nkey: \""+public+"\"")
	require.Contains(t, text, "$KV.WORKERS."+id)
	require.Contains(t, text, "password: $NATS_ORCHESTRATOR")
	for _, args := range [][]string{{"--worker", "w"}, {"--nkey", "edge=x"}, {"--nkey", "absent=" + public}, {"--nkey", id + "=" + public}, {"more"}} {
		_, err := printed(args...)
		require.Equal(t, 2, cmdline.ExitCode(err), "%v: %v", args, err)
	}
}
